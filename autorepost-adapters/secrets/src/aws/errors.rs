//! The one place where an SDK's error becomes ours.

use std::error::Error as StdError;

use autorepost_core::{Error, ErrorKind, Retry};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};

use super::access::refused;

/// Characters of AWS's own words that are kept.
const MESSAGE_CHARS_MAX: usize = 300;

/// Maps an error. The SDK's own is not kept, because it may hold an answer with values. There is no arm that says "try
/// again" for what is not known.
pub(super) fn error<E>(op: &'static str, action: &str, place: &str, cause: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let mut error = match cause {
        SdkError::ServiceError(answer) => match cause.code() {
            Some(code) => answered(op, action, place, code, cause.message()),
            // What stands between, such as a proxy, answers in its own form.
            None if answer.raw().status().is_server_error() => silent(op, place, "something between fails"),
            None => unknown(op, place),
        },
        SdkError::ResponseError(_) => unknown(op, place),
        SdkError::TimeoutError(_) => silent(op, place, "it took too long"),
        _ => match in_chain::<CredentialsError>(cause) {
            Some(cause) => refused(op, cause),
            None => unsent(op, place, cause),
        },
    };
    if let Some(code) = cause.code() {
        error = error.code(code);
    }
    match cause.request_id() {
        Some(id) => error.trace(id),
        None => error,
    }
}

fn unknown(op: &'static str, place: &str) -> Error {
    Error::malformed(op, format!("what answers when {place} is asked for is not AWS: check the endpoint"))
}

fn answered(op: &'static str, action: &str, place: &str, code: &str, message: Option<&str>) -> Error {
    let said: String = message.unwrap_or("it gave no reason").chars().take(MESSAGE_CHARS_MAX).collect();
    let new = |kind, detail: String| Error::new(kind, op, detail);
    match code {
        "AccessDeniedException" | "AccessDenied" => {
            let mend = "allow it in the role's policy, and kms:Decrypt when the secret has a key of its own";
            new(ErrorKind::Forbidden, format!("AWS denies {action} on {place}: {mend}. AWS says: {said}"))
        }
        "ResourceNotFoundException" => {
            let mend = "check its name, the region and the account, and that it has a value";
            new(ErrorKind::NotFound, format!("Secrets Manager does not have {place}: {mend}. AWS says: {said}"))
        }
        "ExpiredTokenException" | "ExpiredToken" => {
            let detail = format!("the AWS credentials have expired, so {place} cannot be used: renew them");
            new(ErrorKind::Unauthorized, detail).retry(Retry::Soon)
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => {
            let mend = "check the access key, its secret and this machine's clock";
            new(ErrorKind::Unauthorized, format!("AWS refuses the credentials for {place}: {mend}. AWS says: {said}"))
        }
        "DecryptionFailure" | "EncryptionFailure" => {
            let detail = format!("the KMS key of {place} cannot be used: enable it, and allow the role to use it");
            new(ErrorKind::Forbidden, detail)
        }
        "InvalidRequestException" => {
            let mend = "restore it if it is marked for deletion";
            new(ErrorKind::Configuration, format!("{place} cannot be used now: {mend}. AWS says: {said}"))
        }
        "InvalidParameterException" | "ValidationException" => {
            new(ErrorKind::Configuration, format!("AWS does not take {place} as a secret's name or value: {said}"))
        }
        "LimitExceededException" => new(ErrorKind::Quota, format!("{place} has reached a limit of AWS: {said}")),
        "ThrottlingException" | "Throttling" | "TooManyRequestsException" => {
            new(ErrorKind::RateLimited, format!("AWS slows down questions for {place}")).retry(Retry::Soon)
        }
        "InternalServiceError" | "InternalFailure" | "ServiceUnavailable" | "ServiceUnavailableException" => {
            silent(op, place, "it has a failure")
        }
        _ => new(ErrorKind::Internal, format!("AWS refuses {action} on {place}: {said}")),
    }
}

fn silent(op: &'static str, place: &str, why: &str) -> Error {
    Error::unavailable(op, format!("Secrets Manager does not give {place}: {why}"))
}

/// What was never answered: the network, or a request that could not be made.
fn unsent<E: StdError + 'static>(op: &'static str, place: &str, cause: &SdkError<E, HttpResponse>) -> Error {
    match cause {
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
            let detail = "it does not answer; check the network, the region and the endpoint";
            silent(op, place, detail).source(root(cause))
        }
        SdkError::DispatchFailure(_) => {
            let detail =
                format!("Secrets Manager cannot be reached for {place}: check the endpoint and its certificate");
            Error::new(ErrorKind::Configuration, op, detail).source(root(cause))
        }
        _ => Error::internal(op, format!("a question to AWS for {place} could not be made")).source(root(cause)),
    }
}

/// The words of the innermost cause.
fn root(cause: &dyn StdError) -> String {
    let mut last = cause;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn in_chain<'a, T: StdError + 'static>(cause: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(cause);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}
