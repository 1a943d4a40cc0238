//! Connecting accounts on the platforms' own pages: the core's operator, the clients, and the sandbox's pages.

use std::{collections::BTreeMap, sync::Arc};

use autorepost_core::{
    Error, ErrorKind, Platform,
    connection::{AuthMethod, Connection},
    credential::{Access, Credential},
    id::TenantId,
    job::JobKind,
    memory::Bench,
    operator::Operator,
    policy::Policy,
    port::{Authorizer, Clock as _, Commit, Consent, Destination, Ports, Returned},
    worker::Worker,
};
use autorepost_sandbox::{Effect, Fault, Login, RegisteredApp, Step, XAccount, YouTubeChannel};
use futures_util::future::join_all;
use url::Url;

use crate::{
    browser::{self, Says},
    support::{Stage, SystemClock, stage, to_commit, work},
};

const REDIRECT: &str = "http://127.0.0.1:8788/callback";
const METHODS: [(AuthMethod, Login); 6] = [
    (AuthMethod::TiktokLogin, Login::TikTok),
    (AuthMethod::InstagramLogin, Login::Instagram),
    (AuthMethod::FacebookLogin, Login::Facebook),
    (AuthMethod::Google, Login::Google),
    (AuthMethod::XOauth1, Login::X1),
    (AuthMethod::XOauth2, Login::X2),
];

/// An installation in memory whose platforms are those of a sandbox.
struct Desk {
    stage: Stage,
    ports: Ports,
}

impl Desk {
    async fn new() -> Self {
        let stage = stage().await;
        for (_, login) in METHODS {
            register(&stage, login, None, REDIRECT);
        }
        let bench = Bench::new(1, SystemClock.now());
        let mut consents: Vec<Arc<dyn Consent>> = stage.tiktok.consent().into_iter().collect();
        consents.extend(stage.instagram.consents());
        consents.push(stage.youtube.consent());
        consents.extend(stage.x.consents());
        let authorizers: [Arc<dyn Authorizer>; 4] =
            [stage.tiktok.clone(), stage.instagram.clone(), stage.youtube.clone(), stage.x.clone()];
        let ports = Ports {
            consents: consents.into_iter().map(|consent| (consent.method(), consent)).collect::<BTreeMap<_, _>>(),
            authorizers: authorizers.into_iter().map(|one| (one.platform(), one)).collect(),
            ..bench.ports
        };
        Self { stage, ports }
    }

    fn operator(&self) -> Operator<'_> {
        Operator::new(&self.ports, TenantId::OWNER, "tester")
    }

    /// The way to the page, and the owner's answer.
    async fn answered(&self, method: AuthMethod, says: Says<'_>) -> Url {
        let asked = self.operator().ask_consent(method, REDIRECT).await.unwrap();
        let address = browser::answer(asked.page.expose(), says).await;
        assert!(address.as_str().starts_with(REDIRECT), "{address}");
        address
    }

    async fn come_back(&self, address: &Url) -> Result<Vec<Connection>, Error> {
        let returned = Returned::read(browser::pairs(address))?;
        Operator::come_back(&self.ports, REDIRECT, returned).await?.connect().await
    }

    async fn connect(&self, method: AuthMethod, says: Says<'_>) -> Result<Vec<Connection>, Error> {
        self.come_back(&self.answered(method, says).await).await
    }

    async fn nothing_is_connected(&self) {
        assert_eq!(self.operator().connections().await.unwrap(), []);
    }

    fn credential(&self, connection: &Connection) -> Credential {
        Access::open(connection, &self.ports.keys).unwrap().credential
    }
}

fn register(stage: &Stage, login: Login, secret: Option<&str>, redirect: &str) {
    let (id, own) = match login {
        Login::TikTok => ("client-tiktok", "secret-tiktok"),
        Login::Instagram => ("client-instagram", "secret-instagram"),
        Login::Facebook => ("client-facebook", "secret-facebook"),
        Login::Google => ("client", "secret"),
        Login::X1 => ("key", "secret"),
        Login::X2 => ("client-x2", "secret-x2"),
    };
    let secret = secret.unwrap_or(own).to_owned();
    stage.sandbox.world().register(RegisteredApp { login, id: id.into(), secret, redirects: vec![redirect.into()] });
}

#[tokio::test]
async fn each_page_connects_its_account_with_a_credential_that_works() {
    let desk = Desk::new().await;
    for (method, _) in METHODS {
        let connected = desk.connect(method, Says::Allow).await.unwrap_or_else(|error| panic!("{method:?}: {error}"));
        let [connection] = &connected[..] else { panic!("{method:?}: {connected:?}") };
        assert_eq!((connection.method, connection.platform), (method, method.platform()));
        assert_eq!(connection.handle, "alice");
        let needed = desk.ports.consent(method).unwrap().scopes();
        assert!(needed.iter().all(|scope| connection.scopes.iter().any(|one| one == scope)), "{connection:?}");
        let ends = !matches!(method, AuthMethod::FacebookLogin | AuthMethod::XOauth1);
        assert_eq!(connection.expires_at.is_some(), ends, "{method:?}");
        let renewable = matches!(desk.credential(connection), Credential::Bearer { refresh: Some(_), .. });
        assert_eq!(renewable, method.has_refresh_token(), "{method:?}");
        assert_eq!(desk.operator().check(connection).await.unwrap().account, connection.account);
    }
    // Instagram's two ways and X's two ways lead to one account each; TikTok's and Google's are the others.
    assert_eq!(desk.operator().connections().await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_refusal_is_told_and_connects_nothing() {
    let desk = Desk::new().await;
    for (method, _) in METHODS {
        let error = desk.connect(method, Says::Deny).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{method:?}: {error}");
        assert!(error.detail().contains("access was refused"), "{method:?}: {error}");
    }
    desk.nothing_is_connected().await;
}

#[tokio::test]
async fn an_answer_counts_once_whoever_brings_it() {
    let desk = Desk::new().await;
    for (method, _) in METHODS {
        let address = desk.answered(method, Says::Allow).await;
        let outcomes = join_all((0..8).map(|_| desk.come_back(&address))).await;
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let unknown = |error: &&Error| error.kind() == ErrorKind::NotFound;
        let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).filter(unknown).count();
        assert_eq!((done, refused), (1, 7), "{method:?}: {outcomes:?}");
        let again = desk.come_back(&address).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::NotFound, "{method:?}: {again}");
    }
}

#[tokio::test]
async fn a_scope_that_was_not_allowed_is_named_and_nothing_is_stored() {
    let desk = Desk::new().await;
    // X does not let owners choose.
    for (method, _) in METHODS.into_iter().filter(|(method, _)| method.platform() != Platform::X) {
        for scope in desk.ports.consent(method).unwrap().scopes() {
            let error = desk.connect(method, Says::Without(scope)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Forbidden, "{method:?}: {error}");
            assert!(error.detail().contains(scope), "{method:?} without {scope}: {error}");
        }
    }
    desk.nothing_is_connected().await;
}

#[tokio::test]
async fn a_wrong_secret_is_said_by_the_names_of_its_settings() {
    let desk = Desk::new().await;
    for (method, login) in METHODS {
        let names = match method {
            AuthMethod::TiktokLogin => "TIKTOK_CLIENT_SECRET",
            AuthMethod::InstagramLogin => "INSTAGRAM_APP_SECRET",
            AuthMethod::FacebookLogin => "FACEBOOK_APP_SECRET",
            AuthMethod::Google => "YOUTUBE_CLIENT_SECRET",
            AuthMethod::XOauth1 => "TWITTER_CONSUMER_SECRET",
            _ => "TWITTER_CLIENT_SECRET",
        };
        register(&desk.stage, login, Some("another"), REDIRECT);
        let error = match desk.operator().ask_consent(method, REDIRECT).await {
            // X tells it before there is a page.
            Err(error) => error,
            Ok(asked) => {
                let address = browser::answer(asked.page.expose(), Says::Allow).await;
                desk.come_back(&address).await.unwrap_err()
            }
        };
        assert_eq!(error.kind(), ErrorKind::Configuration, "{method:?}: {error}");
        assert!(error.detail().contains(names), "{method:?}: {error}");
        assert!(!error.to_string().contains("secret-"), "{error}");
    }
    desk.nothing_is_connected().await;
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_the_app_does_not_own() {
    let desk = Desk::new().await;
    for (method, login) in METHODS {
        register(&desk.stage, login, None, "https://elsewhere.example/callback");
        match desk.operator().ask_consent(method, REDIRECT).await {
            Err(error) => {
                assert_eq!((method, error.kind()), (AuthMethod::XOauth1, ErrorKind::Configuration), "{error}");
                assert!(error.detail().contains(REDIRECT), "{error}");
            }
            Ok(asked) => {
                let told = browser::refusal(asked.page.expose()).await;
                assert!(told.contains("redirect address is not registered"), "{method:?}: {told}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_is_held_against_its_log_in() {
    let desk = Desk::new().await;
    let google = AuthMethod::Google;
    // Another address than the one that was asked for.
    let address = desk.answered(google, Says::Allow).await;
    let returned = Returned::read(browser::pairs(&address)).unwrap();
    let elsewhere = Operator::come_back(&desk.ports, "https://elsewhere.example/", returned).await;
    assert_eq!(elsewhere.err().unwrap().kind(), ErrorKind::Invalid);
    // Another issuer than Google.
    let address = desk.answered(google, Says::Allow).await;
    let mut pairs = browser::pairs(&address);
    pairs.iter_mut().filter(|(name, _)| name == "iss").for_each(|(_, value)| *value = "https://evil.example".into());
    let returned = Returned::read(pairs).unwrap();
    let comeback = Operator::come_back(&desk.ports, REDIRECT, returned).await.unwrap();
    assert_eq!(comeback.connect().await.unwrap_err().kind(), ErrorKind::Rejected);
    // The code of another log-in: its verifier does not fit.
    let (one, other) = (desk.answered(google, Says::Allow).await, desk.answered(google, Says::Allow).await);
    let code = |address: &Url| browser::pairs(address).into_iter().find(|(name, _)| name == "code").unwrap();
    let mixed: Vec<_> =
        browser::pairs(&one).into_iter().map(|pair| if pair.0 == "code" { code(&other) } else { pair }).collect();
    let comeback = Operator::come_back(&desk.ports, REDIRECT, Returned::read(mixed).unwrap()).await.unwrap();
    assert_eq!(comeback.connect().await.unwrap_err().kind(), ErrorKind::Rejected);
    // A verifier that nobody gave.
    let address = desk.answered(AuthMethod::XOauth1, Says::Allow).await;
    let mut pairs = browser::pairs(&address);
    pairs.iter_mut().filter(|(name, _)| name == "oauth_verifier").for_each(|(_, value)| *value = "guessed".into());
    let comeback = Operator::come_back(&desk.ports, REDIRECT, Returned::read(pairs).unwrap()).await.unwrap();
    assert_eq!(comeback.connect().await.unwrap_err().kind(), ErrorKind::Rejected);
    desk.nothing_is_connected().await;
}

#[tokio::test]
async fn facebook_connects_the_accounts_of_all_pages_that_were_chosen() {
    let desk = Desk::new().await;
    desk.stage.sandbox.world().add_instagram(autorepost_sandbox::InstagramAccount {
        id: "18".into(),
        username: "alice.too".into(),
        token: "other-token".into(),
        may_publish: true,
    });
    let both = desk.connect(AuthMethod::FacebookLogin, Says::AllowFor(&["17", "18"])).await.unwrap();
    let handles: Vec<_> = both.iter().map(|one| one.handle.as_str()).collect();
    assert_eq!(handles, ["alice", "alice.too"]);
    assert_ne!(desk.credential(&both[0]), desk.credential(&both[1]), "each Page has a token of its own");
    for connection in &both {
        assert_eq!(desk.operator().check(connection).await.unwrap().account, connection.account);
    }
}

#[tokio::test]
async fn a_channel_is_chosen_and_its_refresh_token_outlives_a_consent_that_brings_none() {
    let desk = Desk::new().await;
    let world = desk.stage.sandbox.world();
    world.add_youtube(YouTubeChannel {
        id: "UC2".into(),
        title: "second".into(),
        access: "a2".into(),
        refresh: "r2".into(),
        client_id: "client".into(),
        client_secret: "secret".into(),
    });
    let google = AuthMethod::Google;
    world.set_refresh_token(false);
    let error = desk.connect(google, Says::AllowFor(&["UC2"])).await.unwrap_err();
    assert_eq!((error.kind(), error.detail().contains("refresh token")), (ErrorKind::Forbidden, true), "{error}");
    desk.nothing_is_connected().await;

    world.set_refresh_token(true);
    let first = desk.connect(google, Says::AllowFor(&["UC2"])).await.unwrap().remove(0);
    assert_eq!((first.account.as_str(), first.handle.as_str()), ("UC2", "second"));
    let Credential::Bearer { access, refresh: Some(refresh) } = &desk.credential(&first) else { panic!() };
    world.set_refresh_token(false);
    let second = desk.connect(google, Says::AllowFor(&["UC2"])).await.unwrap().remove(0);
    let Credential::Bearer { access: newer, refresh: Some(kept) } = &desk.credential(&second) else { panic!() };
    assert_eq!((first.id, refresh), (second.id, kept));
    assert_ne!(access, newer);
    // Another channel has no stored one.
    assert!(desk.connect(google, Says::AllowFor(&["UC1"])).await.is_err());
}

#[tokio::test]
async fn x_publishes_with_a_bearer_token() {
    let desk = Desk::new().await;
    let connection = desk.connect(AuthMethod::XOauth2, Says::Allow).await.unwrap().remove(0);
    let mut work = work(Platform::X, "by a bearer", 3 << 18).await;
    work.access = Access::open(&connection, &desk.ports.keys).unwrap();
    let x = desk.stage.x.as_ref();
    let ticket = to_commit(x, &work).await;
    let Commit::Published(receipt) = x.commit(&work.publication(), &ticket).await else { panic!("not published") };
    let shown = desk.stage.shown(Platform::X);
    assert_eq!((shown.len(), Some(&shown[0].id)), (1, receipt.id.as_ref()));
}

#[tokio::test]
async fn rotating_refresh_tokens_are_renewed_and_work_once() {
    let desk = Desk::new().await;
    for method in [AuthMethod::XOauth2, AuthMethod::TiktokLogin] {
        let connection = desk.connect(method, Says::Allow).await.unwrap().remove(0);
        let before = Access::open(&connection, &desk.ports.keys).unwrap();
        let authorizer = desk.ports.authorizer(method.platform()).unwrap();
        let grant = authorizer.refresh(&before).await.unwrap().unwrap();
        assert_ne!(grant.credential, before.credential);
        assert!(grant.expires_at.is_some());
        let after = Access { credential: grant.credential, ..before.clone() };
        assert_eq!(authorizer.verify(&after).await.unwrap().account, connection.account);
        let error = authorizer.refresh(&before).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{method:?}: {error}");
        assert!(authorizer.refresh(&after).await.unwrap().is_some());
    }
}

/// The job of the renewal has one lane: however many workers there are, a refresh token is never sent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_workers_never_send_a_refresh_token_twice() {
    let desk = Desk::new().await;
    let world = desk.stage.sandbox.world();
    let connection = desk.connect(AuthMethod::XOauth2, Says::Allow).await.unwrap().remove(0);
    world.set_faults(vec![Fault::first(Platform::X, Step::Token, Effect::Slow(20), 1_000)]);
    let worker = |n: usize| {
        let worker = Worker::new(desk.ports.clone(), Policy::default(), format!("worker-{n}"));
        async move {
            for job in worker.claim(&[JobKind::TokenRefresh], 10).await.unwrap() {
                worker.run(job).await;
            }
        }
    };
    let together = || async { drop(join_all((0..8).map(|n| tokio::spawn(worker(n)))).await) };
    together().await;
    assert_eq!(world.refreshes(), (1, 0));
    for _ in 0..10 {
        let hasten = || async { desk.operator().hasten_refresh(std::slice::from_ref(&connection)).await.unwrap() };
        tokio::join!(hasten(), together(), hasten(), together());
    }
    let (renewed, dead) = world.refreshes();
    assert!(renewed > 1 && dead == 0, "{renewed} renewals, {dead} with a token that was used");
    let stored = desk.operator().connection_by_id(connection.id).await.unwrap();
    assert!(stored.status_detail.is_none(), "{stored:?}");
    assert!(desk.operator().check(&stored).await.is_ok());
}

#[tokio::test]
async fn an_account_of_login_kit_is_listed_with_the_token_that_was_granted() {
    use autorepost_core::port::Source as _;
    let desk = Desk::new().await;
    let connection = desk.connect(AuthMethod::TiktokLogin, Says::Allow).await.unwrap().remove(0);
    let access = Access::open(&connection, &desk.ports.keys).unwrap();
    assert!(desk.stage.tiktok.list(&access, None).await.unwrap().posts.is_empty());
}

#[tokio::test]
async fn x_names_the_account_that_was_chosen() {
    let desk = Desk::new().await;
    desk.stage.sandbox.world().add_x(XAccount {
        id: "8".into(),
        username: "bob".into(),
        consumer_key: "key".into(),
        consumer_secret: "secret".into(),
        token: "t8".into(),
        token_secret: "s8".into(),
    });
    for method in [AuthMethod::XOauth1, AuthMethod::XOauth2] {
        let connected = desk.connect(method, Says::AllowFor(&["8"])).await.unwrap();
        assert_eq!((connected[0].account.as_str(), connected[0].handle.as_str()), ("8", "bob"), "{method:?}");
    }
}
