//! The one place where an error of the S3 client becomes ours.

use std::error::Error as StdError;

use autorepost_core::{Error, ErrorKind, Retry};
use object_store::{
    Error as Cause,
    client::{HttpError, HttpErrorKind},
};

/// Whether S3 refused the right with which the request was made: other keys may help.
pub(super) fn denied(cause: &Cause) -> bool {
    match cause {
        Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. } => true,
        cause => matches!(code(cause).as_deref(), Some("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired")),
    }
}

/// Whether nothing is there, in a bucket that is.
pub(super) fn absent(cause: &Cause) -> bool {
    matches!(cause, Cause::NotFound { .. }) && !matches!(code(cause).as_deref(), Some("NoSuchBucket" | "NoSuchUpload"))
}

/// Whether the range that was asked for begins beyond the end.
pub(super) fn beyond_the_end(cause: &Cause) -> bool {
    status(cause) == Some(416)
}

/// Maps an error. What an operator can mend while the program runs (rights, keys, a missing bucket) is a matter of
/// configuration that is tried again; there is no arm that says "try again" for what is not known.
pub(super) fn failed(op: &'static str, bucket: &str, cause: Cause) -> Error {
    let code = code(&cause);
    let (kind, retry, text) = classify(bucket, &cause, code.as_deref());
    let error = Error::new(kind, op, text).retry(retry);
    let error = match code {
        Some(code) => error.code(code),
        None => error,
    };
    error.source(cause)
}

fn classify(bucket: &str, cause: &Cause, code: Option<&str>) -> (ErrorKind, Retry, String) {
    let mend = |text: String| (ErrorKind::Configuration, Retry::Soon, text);
    let unavailable = |text: String| (ErrorKind::Unavailable, Retry::Soon, text);
    if let Some(own) = find::<Error>(cause) {
        return (own.kind(), own.retry_hint(), own.detail().to_owned());
    }
    match code {
        Some("NoSuchBucket") => {
            return mend(format!("there is no bucket {bucket}: create it, or correct S3_BUCKET"));
        }
        Some("InvalidAccessKeyId") => {
            return mend(format!("S3 does not know the access key for bucket {bucket}: replace S3_ACCESS_KEY_ID"));
        }
        Some("SignatureDoesNotMatch") => {
            let text = "the secret key for bucket {bucket} does not fit its access key: replace S3_SECRET_ACCESS_KEY";
            return mend(text.replace("{bucket}", bucket));
        }
        Some("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => {
            return mend(format!(
                "the credentials for bucket {bucket} have expired: renew the role's session or the keys"
            ));
        }
        Some("RequestTimeTooSkewed") => {
            return mend("this machine's clock is too far off for S3: let it be set by NTP".to_owned());
        }
        Some("AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException") => {
            return mend(format!("bucket {bucket} is in another region: correct its region"));
        }
        Some(kms) if kms.starts_with("KMS.") || kms.starts_with("Kms") => {
            return mend(format!(
                "the KMS key of bucket {bucket} cannot be used: check the key, its state and its policy"
            ));
        }
        Some("EntityTooLarge") => {
            return (ErrorKind::Rejected, Retry::Never, format!("bucket {bucket} takes no object of this size"));
        }
        Some("NoSuchUpload") => return unavailable("S3 let go of an upload before it was complete".to_owned()),
        _ => {}
    }
    match (cause, status(cause)) {
        (Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. }, _) => mend(format!(
            "S3 denies access to bucket {bucket}: allow s3:ListBucket on it, and s3:GetObject, s3:PutObject, \
             s3:DeleteObject and s3:AbortMultipartUpload on its objects (with a KMS key also kms:Decrypt and \
             kms:GenerateDataKey), or replace the keys"
        )),
        (Cause::NotFound { .. }, _) => {
            (ErrorKind::NotFound, Retry::Never, format!("bucket {bucket} has no such object"))
        }
        (_, Some(301 | 307)) => mend(format!("bucket {bucket} is in another region: correct its region")),
        (_, Some(status)) if status >= 500 || matches!(status, 408 | 429) => {
            unavailable(format!("S3 is busy: it answered {status} for bucket {bucket}"))
        }
        (_, Some(status)) => {
            (ErrorKind::Internal, Retry::Never, format!("S3 refused a request on bucket {bucket} with {status}"))
        }
        (_, None) => transport(bucket, cause),
    }
}

/// What went wrong before there was an answer.
fn transport(bucket: &str, cause: &Cause) -> (ErrorKind, Retry, String) {
    let text = chain(cause);
    let has = |part: &str| text.contains(part);
    if has("without LOCATION") {
        let text = format!("bucket {bucket} is in another region: correct its region");
        return (ErrorKind::Configuration, Retry::Soon, text);
    }
    if has("169.254.") || has("fd00:ec2") {
        let text = "there are no credentials for S3: set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, or run with a role";
        return (ErrorKind::Configuration, Retry::Soon, text.to_owned());
    }
    if has("certificate") {
        let text = "the certificate of the S3 server was refused: give the certificate of its authority";
        return (ErrorKind::Configuration, Retry::Soon, text.to_owned());
    }
    match find::<HttpError>(cause).map(HttpError::kind) {
        Some(HttpErrorKind::Connect) => {
            let text = "S3 cannot be reached: check the network, and the endpoint if one is set";
            (ErrorKind::Unavailable, Retry::Soon, text.to_owned())
        }
        Some(HttpErrorKind::Timeout) => (ErrorKind::Unavailable, Retry::Soon, "S3 was silent for too long".to_owned()),
        Some(_) => (ErrorKind::Unavailable, Retry::Soon, "the connection to S3 was cut".to_owned()),
        None => (ErrorKind::Internal, Retry::Never, format!("the S3 client failed on bucket {bucket}")),
    }
}

fn causes(cause: &Cause) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(cause);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

fn find<T: StdError + 'static>(cause: &Cause) -> Option<&T> {
    causes(cause).find_map(|error| error.downcast_ref::<T>())
}

/// Every error of the chain as text: for recognising, never for showing.
fn chain(cause: &Cause) -> String {
    causes(cause).map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// S3's own code, out of the answer's body. The client keeps both to itself, but for their text.
fn code(cause: &Cause) -> Option<String> {
    let text = chain(cause);
    let code = text.split_once("<Code>")?.1.split_once("</Code>")?.0;
    let plain = code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    (plain && code.len() <= 64).then(|| code.to_owned())
}

fn status(cause: &Cause) -> Option<u16> {
    let text = chain(cause);
    text.split_once("status code: ")?.1.get(..3)?.parse().ok()
}
