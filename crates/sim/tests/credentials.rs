//! The endpoints that give credentials, judged by AWS's documentation, and STS by AWS's own SDK.
#![allow(clippy::unwrap_used)]

use aws_sdk_sts::config::{BehaviorVersion, Region};
use aws_sdk_sts::error::ProvideErrorMetadata as _;
use kong_cloudtrail_sim::credentials::{Faults, Issuer, Simulator, StsError};
use kong_cloudtrail_sim::fault::When;
use reqwest::{Client, Method, Response};
use serde_json::Value;

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

fn start() -> Simulator {
    Simulator::start().unwrap()
}

async fn call(
    endpoints: &Simulator,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Response {
    let url = format!("{}{path}", endpoints.url());
    let mut request = Client::new().request(method, url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

async fn session(endpoints: &Simulator) -> String {
    let headers = [(TTL, "60"), ("content-length", "0")];
    let response = call(endpoints, Method::PUT, "/latest/api/token", &headers).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()[TTL]),
        (200, &"60".parse().unwrap())
    );
    response.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn instance_metadata_wants_a_session_token_with_a_time_to_live() {
    let endpoints = start();
    for ttl in ["0", "21601", "x"] {
        let headers = [(TTL, ttl), ("content-length", "0")];
        let response = call(&endpoints, Method::PUT, "/latest/api/token", &headers).await;
        assert_eq!(response.status(), 400, "{ttl}");
    }
    let proxied = [(TTL, "60"), ("content-length", "0"), ("x-forwarded-for", "10.0.0.1")];
    assert_eq!(call(&endpoints, Method::PUT, "/latest/api/token", &proxied).await.status(), 403);
    assert_eq!(call(&endpoints, Method::GET, ROLES, &[]).await.status(), 401);
    assert_eq!(call(&endpoints, Method::GET, ROLES, &[(TOKEN, "x")]).await.status(), 401);

    let token = session(&endpoints).await;
    let role = call(&endpoints, Method::GET, ROLES, &[(TOKEN, &token)]).await;
    assert_eq!(role.text().await.unwrap(), "kong-cloudtrail");
    let path = format!("{ROLES}kong-cloudtrail");
    let given = json(call(&endpoints, Method::GET, &path, &[(TOKEN, &token)]).await).await;
    assert_eq!((&given["Code"], &given["Type"]), (&"Success".into(), &"AWS-HMAC".into()));
    let known = Issuer::new("aws").recognize(given["Token"].as_str().unwrap()).unwrap();
    assert_eq!(given["AccessKeyId"], known.credentials.access_key_id.as_str());
    assert_eq!(given["SecretAccessKey"], known.credentials.secret_access_key.as_str());

    endpoints.set_clock(61);
    assert_eq!(call(&endpoints, Method::GET, ROLES, &[(TOKEN, &token)]).await.status(), 401);
    endpoints.set(|settings| settings.instance_role = None);
    let token = session(&endpoints).await;
    assert_eq!(call(&endpoints, Method::GET, ROLES, &[(TOKEN, &token)]).await.status(), 404);
    endpoints.set(|settings| settings.instance_metadata_disabled = true);
    assert_eq!(call(&endpoints, Method::GET, ROLES, &[(TOKEN, &token)]).await.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_gets_the_same_until_they_are_rotated_or_near_their_end() {
    let endpoints = start();
    let key = async || {
        json(call(&endpoints, Method::GET, "/v1/credentials", &[]).await).await["AccessKeyId"]
            .clone()
    };
    let first = key().await;
    assert_eq!(key().await, first);
    endpoints.rotate();
    let second = key().await;
    assert_ne!(second, first);
    endpoints.set_clock(3600 - 301);
    assert_eq!(key().await, second);
    endpoints.set_clock(3600 - 299);
    assert_ne!(key().await, second);

    endpoints.set(|settings| settings.authorization = Some("token".to_owned()));
    for (given, status) in [("other", 401), ("token", 200)] {
        let headers = [("authorization", given)];
        let response = call(&endpoints, Method::GET, "/v2/credentials/0a1b", &headers).await;
        assert_eq!(response.status(), status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_understands_what_sts_grants_and_what_it_refuses() {
    let endpoints = start();
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(endpoints.url())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(aws_sdk_sts::config::retry::RetryConfig::disabled())
        .build();
    let sts = aws_sdk_sts::Client::from_conf(config);
    let ask = async |role: &str, token: &str| {
        sts.assume_role_with_web_identity()
            .role_arn(format!("arn:aws:iam::123456789012:role/{role}"))
            .role_session_name("test")
            .web_identity_token(token)
            .send()
            .await
            .map_err(|error| error.code().unwrap_or_default().to_owned())
    };
    let given = ask("kong-cloudtrail", "web-identity-token").await.unwrap().credentials.unwrap();
    let known = Issuer::new("aws").recognize(&given.session_token).unwrap();
    assert_eq!(given.access_key_id, known.credentials.access_key_id);
    assert_eq!(given.secret_access_key, known.credentials.secret_access_key);
    assert_eq!(given.expiration.secs(), known.expires);

    let refused = async |role, token| ask(role, token).await.unwrap_err();
    assert_eq!(refused("kong-cloudtrail", "another").await, "InvalidIdentityToken");
    assert_eq!(refused("another", "web-identity-token").await, "AccessDenied");
    for code in ["ExpiredTokenException", "IDPCommunicationError", "Throttling", "InternalFailure"]
    {
        let error = StsError { code: code.to_owned(), when: When::default() };
        endpoints.set_faults(Faults { sts: vec![error], ..Faults::default() });
        assert_eq!(refused("kong-cloudtrail", "web-identity-token").await, code);
    }
}
