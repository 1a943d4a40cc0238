"""Tests of the infrastructure; scripts/infra-test starts them. See docs/infrastructure.md for what they show."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

warnings.filterwarnings("ignore")

import parliament
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import mutations
import posture
import roles  # noqa: F401  adds its rows to the posture's
from policy import decide
from policy_cases import CASES

INFRA = Path(__file__).resolve().parent.parent
TERRAFORM = INFRA / "terraform"
MODULES = sorted(path.name for path in (TERRAFORM / "modules").iterdir())
ENVIRONMENTS = ["staging", "production"]
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PLUGINS = "registry.terraform.io/hashicorp/aws"
# What takes longer hangs. On a machine that does four other things an apply took 240 s, so nothing near that is a limit.
COMMAND_SECONDS = 1200
START_SECONDS = 300

started = time.monotonic()
lock = threading.Lock()
passed, failed = [], []
running, stopping = set(), False


class Stop(Exception):
    """The stages that would follow make no sense."""


def say(text):
    with lock:
        print(text, flush=True)


def verdict(name, problem=None):
    """Counts one test. `problem` is what is wrong, at length."""
    if stopping:
        raise Stop("stopping")
    (failed if problem else passed).append(name)
    if problem:
        tail = "\n".join(f"    {line}" for line in str(problem).rstrip().splitlines()[-40:])
        say(f"  FAILED {name}\n{tail}")


@contextmanager
def stage(name):
    begun = time.monotonic()
    try:
        yield
    finally:
        say(f"{name:44}{time.monotonic() - begun:6.1f} s")


# ---- Processes: every one is in a group of its own, and none outlives this one.


def spawn(command, **how):
    with lock:
        if stopping:
            raise Stop("stopping")
        process = subprocess.Popen([str(c) for c in command], start_new_session=True, **how)
        running.add(process)
    return process


def end(process):
    """Ends the whole group, Terraform's providers with it. What they leave unfinished is in a folder that goes too."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    running.discard(process)


def run(command, environment, folder, seconds=COMMAND_SECONDS):
    """Exit code and everything that was printed. Ends what takes too long."""
    process = spawn(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = process.communicate(timeout=seconds)
        running.discard(process)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        end(process)
        return 124, f"{' '.join(map(str, command))}\ndid not end within {seconds} s\n{process.communicate()[0]}"


def stop(*_):
    for sign in STOPS:  # a second one must not disturb the clearing up
        signal.signal(sign, signal.SIG_IGN)
    raise KeyboardInterrupt


# ---- Terraform and its provider


def plugin_settings(scratch, cache):
    """The user's own settings of Terraform, or a folder with the provider where such folders are kept, or the registry."""
    own = [os.environ.get("TF_CLI_CONFIG_FILE"), Path.home() / ".terraformrc"]
    for path in own:
        if path and Path(path).is_file():
            return Path(path)
    data = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local/share"))
    usual = [os.environ.get("TF_PLUGIN_DIR"), Path.home() / ".terraform.d/plugins", data / "terraform/plugins"]
    usual += ["/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins", *sorted(Path("/opt").glob("*"))]
    mirror = next((path for path in usual if path and (Path(path) / PLUGINS).is_dir()), None)
    if mirror:
        text = f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
    else:
        (cache / "plugins").mkdir(parents=True, exist_ok=True)
        text = f'plugin_cache_dir = "{cache / "plugins"}"\nplugin_cache_may_break_dependency_lock_file = true\n'
    (scratch / "terraformrc").write_text(text)
    return scratch / "terraformrc"


def base_environment(settings):
    """Nothing of the user's own AWS account: not for Terraform, and not for this process either."""
    for name in [n for n in os.environ if n.startswith(("AWS_", "TF_"))]:
        del os.environ[name]
    return {**os.environ, "TF_CLI_CONFIG_FILE": str(settings), "TF_INPUT": "0", "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


def terraform(command, environment, folder):
    return run(["terraform", command[0], "-no-color", *command[1:]], environment, folder)


def expect(name, command, environment, folder, code=0):
    """Runs Terraform as one test, on which the next ones depend."""
    have, output = terraform(command, environment, folder)
    verdict(name, None if have == code else f"exit code {have}, wanted {code}\n{output}")
    if have != code:
        raise Stop(name)
    return output


# ---- Without AWS


def written_well(environment, scratch):
    with stage("fmt"):
        code, output = terraform(["fmt", "-check", "-recursive", "-diff"], environment, TERRAFORM)
        verdict("terraform fmt", output if code else None)

    with stage("policy decisions"):
        for name, (*asked, answer) in CASES.items():
            have = decide(*asked)
            verdict(f"policy: {name}", None if have == answer else f"{have}, wanted {answer}")

    with stage("documents"):
        for name in MODULES:
            folder = TERRAFORM / "modules" / name
            missing = [f for f in ("main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md") if not (folder / f).is_file()]
            verdict(f"{name} has its files", missing and f"missing: {missing}")
            blocks = re.findall(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', "".join((folder / f).read_text() for f in ("variables.tf", "outputs.tf")), re.M | re.S)
            bare = [n for kind, n, body in blocks if "description " not in body or (kind == "variable" and "type " not in body)]
            verdict(f"{name}: everything is described and typed", bare and f"without description or type: {bare}")
            tested = "".join(f.read_text() for f in (folder / "tests").glob("*.tftest.hcl"))
            if name == "platform":  # has an ephemeral resource, which Terraform's mocks do not know
                tested = " ".join(f"var.{v}" for v in {**REFUSED, **REFUSED_IN_PRODUCTION})
            untested = [n for kind, n, body in blocks if kind == "variable" and "validation {" in body and f"var.{n}" not in tested]
            verdict(f"{name}: every validation is tested", untested and f"no test refuses a wrong {untested}")

    with stage("checkov"):
        checkov = [Path(sys.executable).with_name("checkov"), "-d", TERRAFORM, "--framework", "terraform", "--skip-download", "--compact", "-o", "json"]
        code, output = run(checkov, {**environment, "LOG_LEVEL": "ERROR"}, scratch)
        found = json.loads(output[output.index("{"):])
        bad = [f"{c['check_id']} {c['resource']}: {c['check_name']}" for c in found["results"]["failed_checks"]]
        silent = [f"{c['check_id']} {c['resource']}: skipped without a reason" for c in found["results"]["skipped_checks"] if not c["check_result"].get("suppress_comment", "").strip()]
        verdict("checkov", "\n".join(bad + silent))
        say(f"  checkov: {found['summary']['passed']} passed, {len(bad)} failed, {found['summary']['skipped']} skipped with a reason")

    with stage("validate"):
        copy = scratch / "modules"
        shutil.copytree(TERRAFORM, copy, symlinks=True)
        # An environment's validation is that of every module in it.
        for folder in [copy / "bootstrap", *(copy / "environments" / e for e in ENVIRONMENTS)]:
            expect(f"init {folder.name}", ["init", "-backend=false"], environment, folder)
            expect(f"validate {folder.name}", ["validate"], environment, folder)

    with stage("test each module"):
        for folder in sorted((copy / "modules").glob("*/tests")):
            module = folder.parent
            expect(f"init {module.name}", ["init", "-backend=false"], environment, module)
            code, output = terraform(["test"], environment, module)
            runs = re.findall(r'run "(\w+)"\.\.\. (pass|fail|skip)', output)
            for name, result in runs:
                verdict(f"{module.name}: {name}", None if result == "pass" else output)
            if not runs or (code and all(result == "pass" for _, result in runs)):
                verdict(f"test {module.name}", output)


# ---- With the stand-in


def certificate(scratch):
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")]), datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (scratch / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (scratch / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return scratch / "certificate.pem", scratch / "key.pem"


@contextmanager
def stand_in(name, base, scratch, files):
    """A stand-in of its own: what Terraform needs to reach it, and what stands in it. It chooses its ports and says which once it listens."""
    folder = scratch / name
    shutil.copytree(TERRAFORM, folder / "terraform", symlinks=True)
    log = folder / "stand-in.log"
    with log.open("w") as errors:
        process = spawn([sys.executable, Path(__file__).with_name("stand_in.py"), *files], stdout=subprocess.PIPE, stderr=errors, text=True)
    late = threading.Timer(START_SECONDS, end, [process])
    late.start()
    line = process.stdout.readline()
    late.cancel()
    if not line:
        raise Stop(f"the stand-in does not start:\n{log.read_text()[-2000:]}")
    url, plain_url = line.split()
    environment = {
        **base, "AWS_ENDPOINT_URL": url, "AWS_CA_BUNDLE": str(files[0]), "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": posture.Account.REGION, "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "2",
    }
    try:
        yield folder / "terraform", environment, posture.Account("production" if name == "production" else "staging", url, plain_url, str(files[0]))
    finally:
        end(process)
    gaps = [line for line in log.read_text().splitlines() if "the stand-in cannot do" in line or " 500 -" in line]
    verdict(f"{name}: the stand-in knew every call", "\n".join(gaps))


def values(environment, archive):
    api = "api" if environment == "production" else f"api.{environment}"
    return {
        "account_id": posture.Account.ID, "zone_name": posture.Account.ZONE, "domain_name": f"{api}.{posture.Account.ZONE}", "image_tag": "v0.1.0",
        "github_repository": posture.Account.REPOSITORY, "rotation_archive": str(archive), "alarm_emails": ["oncall@example.com"],
    }


# Wrong values, and the sentence that must refuse each before anything is made; of an environment, and of the module behind it.
REFUSED = {
    "cidr_block": ("10.20.0.0/24", 'cidr_block must be an IPv4 range between /16 and /20, such as "10.20.0.0/16"'),
    "domain_name": ("api.example.org", "domain_name must lie inside zone_name"),
    "image_tag": ("latest", 'image_tag must be one image\'s own tag, such as "v1.2.3", and not "latest"'),
    "log_retention_days": (30, "log_retention_days must be at least 365"),
    "backup_retention_days": (1, "backup_retention_days must be a whole number from 7 to 35"),
    "alarm_emails": ([], "emails needs at least one e-mail address"),
    "rotation_archive": ("none.zip", "archive must be an existing .zip file"),
    "github_repository": ("owner/*", 'repository must be one repository as owner/name, without "*"'),
}
TINY = {"cpu": 512, "memory": 1024, "tasks": {"min": 1, "max": 1}}
FRAIL = {"db": "db.t4g.medium", "redis": "cache.t4g.small", "nat_per_az": False, "api": TINY, "worker": TINY}
COMMON = {"cidr_block": ("10.20.0.0/16", None), "log_retention_days": (365, None), "backup_retention_days": (7, None), "sizes": (FRAIL, None)}
REFUSED_IN_PRODUCTION = {
    **COMMON,
    "environment": ("production", None),
    "zones": (["us-east-1a", "us-east-1b", "us-east-1c"], "zones must be the letters of three zones"),
    "backup_retention_days": (7, "backup_retention_days must be at least 30 in production"),
    "deletion_protection": (False, "deletion_protection must be true in production"),
    "sizes": (FRAIL, "sizes needs nat_per_az and at least two tasks of each service in production"),
}
REFUSED_ANYWHERE = {
    **COMMON,
    "environment": ("test", "environment must be staging or production"),
    "zones": (["a", "b", "c"], None),
    "deletion_protection": (True, None),
}


def refused(what, table, good, environment, folder):
    (folder / "wrong.tfvars.json").write_text(json.dumps({**good, **{k: v for k, (v, _) in table.items()}}))
    code, output = terraform(["plan", "-var-file=wrong.tfvars.json"], environment, folder)
    said = re.sub(r"[\s│]+", " ", output)
    for variable, (_, sentence) in table.items():
        if sentence:
            unheard = code != 1 or sentence not in said
            verdict(f"{what}: a wrong {variable} is refused", unheard and f"exit code {code}, wanted the sentence: {sentence}\n{output}")


def wrong_values(base, scratch, files):
    """Plans with wrong values, without a backend: nothing is there yet, nothing may come of it."""
    with stage("wrong values are refused"), stand_in("refused", base, scratch, files) as (folder, environment, aws):
        root, platform, good = folder / "environments/staging", folder / "modules/platform", values("staging", scratch / "rotation.zip")
        (root / "backend.tf").unlink()
        for place in (root, platform):
            expect(f"refused: init {place.name}", ["init"], environment, place)
        refused("staging", REFUSED, good, environment, root)
        (root / "good.tfvars.json").write_text(json.dumps(good))
        code, output = terraform(["plan", "-var-file=good.tfvars.json", "-var=account_id=999999999999"], environment, root)
        verdict("staging: another account is refused", None if code == 1 and "AWS account ID not allowed" in output else output)
        asked = {k: v for k, v in good.items() if k != "account_id"}
        refused("platform", REFUSED_IN_PRODUCTION, asked, environment, platform)
        refused("platform", REFUSED_ANYWHERE, asked, environment, platform)
        verdict("refused: nothing was made", left_over(aws))


def held(aws, name):
    """Both locks of the state, as an apply in progress holds them."""
    try:
        aws("s3").head_object(Bucket=aws.state_bucket, Key=f"{name}/terraform.tfstate.tflock")
    except aws("s3").exceptions.ClientError:
        return False
    row = aws("dynamodb").get_item(TableName=aws.state_bucket, Key={"LockID": {"S": f"{aws.state_bucket}/{name}/terraform.tfstate"}})
    return "Item" in row


def apply_twice_at_once(aws, name, environment, folder):
    """The apply; while it holds the locks, another that must be turned away."""
    with ThreadPoolExecutor(1) as second:
        first = second.submit(terraform, ["apply", "-auto-approve"], environment, folder)
        until = time.monotonic() + START_SECONDS
        while not held(aws, name) and not first.done() and time.monotonic() < until:
            time.sleep(0.2)
        verdict(f"{name}: an apply holds both locks", None if not first.done() and held(aws, name) else "no lock was seen")
        code, output = terraform(["apply", "-auto-approve", "-lock-timeout=0s"], environment, folder)
        turned_away = code == 1 and "Error acquiring the state lock" in output
        verdict(f"{name}: a second apply is refused by the lock", None if turned_away else f"exit code {code}\n{output}")
        code, output = first.result()
    verdict(f"{name}: apply", None if code == 0 else f"exit code {code}\n{output}")
    verdict(f"{name}: the locks are given back", "the state is still locked" if held(aws, name) else None)
    if code:
        raise Stop("apply")


def policies(aws):
    """Every policy as it stands, by what it belongs to."""
    iam, found = aws("iam"), {}
    for role in aws.roles.values():
        name = role["RoleName"]
        found[f"role {name}"] = {"Version": "2012-10-17", "Statement": aws.identity_policies(name)}
    for bucket in (aws.bucket("media"), aws.bucket("logs"), aws.state_bucket):
        found[f"bucket {bucket}"] = json.loads(aws("s3").get_bucket_policy(Bucket=bucket)["Policy"])
    for name, key in aws.keys.items():
        found[f"key {name}"] = json.loads(aws("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    for name, arn in aws.bundles.items():
        found[f"bundle {name}"] = json.loads(aws("secretsmanager").get_resource_policy(SecretId=arn)["ResourcePolicy"])
    topic = f"arn:aws:sns:{aws.REGION}:{aws.ID}:{aws.name}-alarms"
    found["topic"] = json.loads(aws("sns").get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])
    return found


# Findings of parliament that are none: issue, in which policies, about what, and why.
EXCUSED = [
    ("RESOURCE_STAR", "key ", "", 'in a key policy "*" is the key itself'),
    ("UNKNOWN_CONDITION_FOR_ACTION", "role ", "lambda:SourceFunctionArn", "Lambda sends it with every call of a function's code"),
    ("UNKNOWN_CONDITION_FOR_ACTION", "bucket ", "s3:TlsVersion", "among all actions there are two that come without it"),
    ("MISMATCHED_TYPE", "bucket ", "s3:TlsVersion", "1.2 is a number, which parliament takes for none"),
    ("MISMATCHED_TYPE", "key ", "ArnLike", "the encryption context of CloudWatch Logs is an ARN"),
    ("RESOURCE_MISMATCH", "role ", "listener/net/", "a listener of an application load balancer is none of a network load balancer"),
]


def lint(aws):
    for what, document in policies(aws).items():
        findings = [
            f"{f.issue}: {f.detail}"
            for f in parliament.analyze_policy_string(json.dumps(document)).findings
            if not any(f.issue == issue and what.startswith(kind) and about in str(f.detail) for issue, kind, about, _ in EXCUSED)
        ]
        verdict(f"{aws.environment}: parliament, {what}", "\n".join(findings))


def deployed(name, base, scratch, files):
    with stand_in(name, base, scratch, files) as (folder, environment, aws):
        in_stages(name, aws, environment, folder / "bootstrap", folder / "environments" / name, scratch / "rotation.zip")


def in_stages(name, aws, environment, bootstrap, root, archive):
    with stage(f"{name}: bootstrap"):
        expect(f"{name}: bootstrap init", ["init"], environment, bootstrap)
        expect(f"{name}: bootstrap apply", ["apply", "-auto-approve"], environment, bootstrap)
        (root.parent.parent / "backend.hcl").write_text(terraform(["output", "-raw", "backend"], environment, bootstrap)[1])
        (root / "terraform.tfvars.json").write_text(json.dumps(values(name, archive)))
        expect(f"{name}: init", ["init", "-backend-config=../../backend.hcl"], environment, root)

    aws("route53").create_hosted_zone(Name=aws.ZONE, CallerReference="test")
    with stage(f"{name}: apply"):
        apply_twice_at_once(aws, name, environment, root)

    with stage(f"{name}: second plan"):
        expect(f"{name}: the second plan is empty", ["plan", "-detailed-exitcode"], environment, root)

    with stage(f"{name}: posture"):
        wrong = posture.check(aws)
        for row, (requirement, _) in posture.ROWS.items():
            verdict(f"{name}: {requirement}", wrong.get(row))

    with stage(f"{name}: parliament"):
        lint(aws)

    if not aws.production:
        with stage(f"{name}: destroy"):
            expect(f"{name}: destroy", ["destroy", "-auto-approve"], environment, root)
            verdict(f"{name}: nothing is left", left_over(aws))
        return

    # Production is not destroyed but broken: each time the posture must notice, and only where it was broken.
    with stage(f"{name}: {len(mutations.MUTATIONS)} mutations are noticed"):
        for what, (rows, mutation) in mutations.MUTATIONS.items():
            with mutation(aws):
                noticed = posture.check(aws)
            verdict(f"{name}: noticed: {what}", None if set(noticed) == rows else f"noticed by {sorted(noticed)}, wanted {sorted(rows)}\n{noticed}")
        verdict(f"{name}: all is well again", posture.check(aws))

    with stage(f"{name}: destroy is refused"):
        code, output = terraform(["destroy", "-auto-approve", "-target=module.platform.module.db.aws_db_instance.this"], environment, root)
        verdict(f"{name}: the database refuses to go", None if code == 1 and "Cannot delete protected" in output else f"exit code {code}\n{output}")
        verdict(f"{name}: it is still there", None if aws.database["DBInstanceStatus"] == "available" else str(aws.database))


def left_over(aws):
    """What a destroy should have taken along."""
    vpcs = [v["VpcId"] for v in aws("ec2").describe_vpcs()["Vpcs"] if not v["IsDefault"]]
    buckets = [b["Name"] for b in aws("s3").list_buckets()["Buckets"] if b["Name"] != aws.state_bucket]
    databases = [d["DBInstanceIdentifier"] for d in aws("rds").describe_db_instances()["DBInstances"]]
    groups = [g["logGroupName"] for g in aws.all("logs", "describe_log_groups", "logGroups")]
    secrets = [s["Name"] for s in aws.all("secretsmanager", "list_secrets", "SecretList")]
    return vpcs + buckets + databases + groups + secrets + list(aws.roles)


def guarded(what, function, *arguments):
    """A stage that cannot go on is one failed test, and the others go on."""
    try:
        function(*arguments)
    except Exception as error:
        if not stopping:
            verdict(f"{what}: the stages after", f"were not reached: {error if isinstance(error, Stop) else traceback.format_exc()}")


def missing(environment, scratch):
    """What Terraform needs and this machine lacks, or None."""
    if not shutil.which("terraform"):
        return "terraform is not installed; install 1.11 or newer from https://developer.hashicorp.com/terraform/install"
    probe = scratch / "probe"
    shutil.copytree(TERRAFORM / "modules/registry", probe)
    code, output = terraform(["init", "-backend=false"], environment, probe)
    return code and f"the provider hashicorp/aws 5.100 is not to be had; let Terraform reach its registry, or name a folder that holds it in TF_PLUGIN_DIR\n{output[-600:]}"


def main():
    global stopping
    for sign in STOPS:
        signal.signal(sign, stop)
    with tempfile.TemporaryDirectory(prefix="autorepost-infra-") as scratch, ThreadPoolExecutor(4) as pool:
        try:
            return tests(pool, Path(scratch), Path(sys.argv[1]))
        except KeyboardInterrupt:
            print("infra: stopped")
            return 130
        finally:
            with lock:
                stopping = True
            for process in list(running):
                end(process)


def tests(pool, scratch, cache):
    environment = base_environment(plugin_settings(scratch, cache))
    if reason := missing(environment, scratch):
        print(f"infra: skipped: {reason}")
        return 1 if os.environ.get("CI") == "true" else 0
    with zipfile.ZipFile(scratch / "rotation.zip", "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\n")
    files = certificate(scratch)
    work = [pool.submit(guarded, name, deployed, name, environment, scratch, files) for name in ENVIRONMENTS]
    work.append(pool.submit(guarded, "modules", written_well, environment, scratch))
    work.append(pool.submit(guarded, "refused", wrong_values, environment, scratch, files))
    for done in work:
        done.result()
    say(f"{'all':44}{time.monotonic() - started:6.1f} s")
    say(f"infra: {len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
