//! Encryption at rest: what is asked of S3, and what it says it did.

use std::fmt;

use async_trait::async_trait;
use object_store::{
    ClientOptions,
    aws::AmazonS3Builder,
    client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector},
};

/// How S3 encrypts what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S3Encryption {
    /// As the bucket says: no header is sent.
    BucketDefault,
    /// With a key of S3's own (SSE-S3, `AES256`).
    SseS3,
    /// With a key of KMS (SSE-KMS, `aws:kms`).
    SseKms {
        /// The key's id or ARN.
        key_id: String,
    },
}

impl S3Encryption {
    pub(super) fn apply(&self, builder: AmazonS3Builder) -> AmazonS3Builder {
        match self {
            Self::BucketDefault => builder,
            Self::SseS3 => {
                let key = "aws_server_side_encryption".parse().expect("a setting of the builder");
                builder.with_config(key, "AES256")
            }
            Self::SseKms { key_id } => builder.with_sse_kms_encryption(key_id),
        }
    }

    /// Whether S3 did what was asked.
    pub(super) fn is_met_by(&self, told: Option<&Encrypted>) -> bool {
        let algorithm = told.map(|told| told.0.as_str());
        match self {
            Self::BucketDefault => true,
            Self::SseS3 => algorithm == Some("AES256"),
            Self::SseKms { .. } => algorithm == Some("aws:kms"),
        }
    }
}

impl fmt::Display for S3Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BucketDefault => "the bucket's own",
            Self::SseS3 => "AES256",
            Self::SseKms { .. } => "aws:kms",
        })
    }
}

/// What S3's answer says of the encryption of an object.
#[derive(Debug, Clone)]
pub(super) struct Encrypted(pub String);

/// Makes HTTP clients that note [`Encrypted`] on each answer: the crate itself drops that header.
#[derive(Debug, Default)]
pub(super) struct Noting(ReqwestConnector);

impl HttpConnector for Noting {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(NotingClient(self.0.connect(options)?)))
    }
}

#[derive(Debug)]
struct NotingClient(HttpClient);

#[async_trait]
impl HttpService for NotingClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut response = self.0.execute(request).await?;
        let told = response.headers().get("x-amz-server-side-encryption").and_then(|value| value.to_str().ok());
        if let Some(told) = told.map(|told| Encrypted(told.to_owned())) {
            response.extensions_mut().insert(told);
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_done_is_seen() {
        let told = |algorithm: &str| Some(Encrypted(algorithm.to_owned()));
        let kms = S3Encryption::SseKms { key_id: "key".into() };
        for (asked, told, met) in [
            (S3Encryption::BucketDefault, None, true),
            (S3Encryption::SseS3, told("AES256"), true),
            (S3Encryption::SseS3, told("aws:kms"), false),
            (kms.clone(), told("aws:kms"), true),
            (kms.clone(), told("AES256"), false),
            (kms, None, false),
        ] {
            assert_eq!(asked.is_met_by(told.as_ref()), met, "{asked:?} {told:?}");
        }
    }
}
