//! Credentials from each source of the chain, in order, and renewed while a run goes on.

use std::collections::BTreeSet;
use std::path::Path;

use kong_cloudtrail_sim::credentials::{Faults, Simulator, StsError};
use kong_cloudtrail_sim::fault::{Fault, Rule, When};
use kong_cloudtrail_sim::kong;
use tempfile::TempDir;

use super::support::{Report, Store, World};

const ROLE: &str = "arn:aws:iam::123456789012:role/kong-cloudtrail";
const AUTHORIZATION: &str = "eks-authorization-token-that-nobody-may-see";
const IDENTITY: &str = "eyJhbGciOi.web-identity-token-that-nobody-may-see";

/// A world without static keys, and the endpoints that give others.
struct Aws {
    world: World,
    endpoints: Simulator,
    tokens: TempDir,
}

impl Aws {
    fn new(requests: u32) -> Self {
        let endpoints = Simulator::start().unwrap();
        let mut world = World::new(Store::Sqlite, kong::Options { requests, ..Default::default() });
        world.set("allow_outbound", "http://127.0.0.1:*");
        world.set("aws_access_key_id", "").set("aws_secret_access_key", "");
        let tokens = TempDir::new().unwrap();
        world.tokens = Some(tokens.path().to_owned());
        Self { world, endpoints, tokens }
    }

    fn with_container(requests: u32) -> Self {
        let mut aws = Self::new(requests);
        let url = format!("{}/v1/credentials", aws.endpoints.url());
        aws.world.set("aws_container_credentials_full_uri", &url);
        aws
    }

    fn with_web_identity(requests: u32) -> Self {
        let mut aws = Self::new(requests);
        aws.endpoints.set(|settings| settings.web_identity_token = IDENTITY.into());
        aws.write("identity", IDENTITY);
        let url = aws.endpoints.url();
        aws.world
            .set("aws_endpoint_url_sts", &url)
            .set("aws_role_arn", ROLE)
            .set("aws_web_identity_token_file", "/tokens/identity");
        aws
    }

    fn with_instance(requests: u32) -> Self {
        let mut aws = Self::new(requests);
        let url = aws.endpoints.url();
        aws.world.set("aws_ec2_metadata_service_endpoint", &url);
        aws
    }

    /// As the kubelet renews a projected token: a new file behind a link that is swapped.
    fn write(&self, name: &str, token: &str) {
        let folder = self.tokens.path();
        let data = tempfile::Builder::new().prefix("data-").tempdir_in(folder).unwrap().keep();
        std::fs::write(data.join(name), format!("{token}\n")).unwrap();
        let (link, swapped) = (folder.join("..data"), folder.join("..data-new"));
        std::os::unix::fs::symlink(data.file_name().unwrap(), &swapped).unwrap();
        std::fs::rename(&swapped, &link).unwrap();
        let file = folder.join(name);
        if !file.is_symlink() {
            std::os::unix::fs::symlink(Path::new("..data").join(name), file).unwrap();
        }
    }

    fn calls(&self, path: &str) -> u64 {
        self.endpoints.status().calls.get(path).copied().unwrap_or(0)
    }

    async fn tick(&self) -> Report {
        let report = self.world.tick().await;
        for line in &report.stdout {
            assert!(!line.contains(AUTHORIZATION) && !line.contains(IDENTITY), "{line}");
        }
        report
    }

    async fn ships(&self, entries: u64) {
        let report = self.tick().await;
        assert_eq!(report["outcome"], "ok", "{report:?}");
        assert_eq!(report.shipped().0, entries);
        self.world.assert_exactly_once();
    }

    async fn fails_naming(&self, names: &[&str]) -> Report {
        let report = self.tick().await;
        assert_eq!(report["outcome"], "failed", "{report:?}");
        for name in names {
            assert!(report.error().contains(name), "{name} is not in: {}", report.error());
        }
        assert_eq!(report.shipped(), (0, 0));
        report
    }

    /// The access keys by which events came, in order.
    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> =
            self.world.cloudtrail.calls().into_iter().map(|call| call.access_key_id).collect();
        keys.dedup();
        keys
    }
}

fn refuses(path: &str, code: u16, times: Option<u64>) -> Faults {
    let rule = Rule {
        path: Some(path.to_owned()),
        when: When { next: times, ..When::default() },
        fault: Fault::Status { code, retry_after: None, body: None },
    };
    Faults { rules: vec![rule], ..Faults::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_source_gives_credentials_by_which_events_are_accepted_once_a_run() {
    let aws = Aws::with_container(250);
    aws.ships(250).await;
    assert_eq!(aws.calls("/v1/credentials"), 1);

    let aws = Aws::with_web_identity(250);
    aws.ships(250).await;
    assert_eq!(aws.calls("/"), 1);

    let aws = Aws::with_instance(250);
    aws.ships(250).await;
    assert_eq!(aws.calls("/latest/api/token"), 1);
    assert_eq!(aws.calls("/latest/meta-data/iam/security-credentials/kong-cloudtrail"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_nothing_to_ship_asks_for_no_credentials() {
    let aws = Aws::with_container(0);
    aws.ships(0).await;
    assert!(aws.endpoints.status().calls.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_source_that_is_set_is_the_one() {
    let mut aws = Aws::with_web_identity(5);
    let url = aws.endpoints.url();
    aws.world.set("aws_ec2_metadata_service_endpoint", &url);
    aws.world.set("aws_container_credentials_full_uri", &format!("{url}/v1/credentials"));
    aws.world.set("aws_access_key_id", "AKIDEXAMPLE");
    aws.world.set("aws_secret_access_key", super::support::SECRET);
    aws.ships(5).await;
    assert!(aws.endpoints.status().calls.is_empty(), "static keys come first");

    aws.world.set("aws_access_key_id", "").set("aws_secret_access_key", "");
    aws.world.kong.add_activity(5, 0);
    aws.ships(5).await;
    assert_eq!((aws.calls("/v1/credentials"), aws.calls("/")), (1, 0), "then the container's");

    aws.world.set("aws_container_credentials_full_uri", "");
    aws.world.kong.add_activity(5, 0);
    aws.ships(5).await;
    assert_eq!((aws.calls("/"), aws.calls("/latest/api/token")), (1, 0), "then the web identity");

    aws.world.set("aws_web_identity_token_file", "").set("aws_role_arn", "");
    aws.world.kong.add_activity(5, 0);
    aws.ships(5).await;
    assert_eq!(aws.calls("/latest/api/token"), 1, "and last the instance's");

    aws.world.set("aws_ec2_metadata_disabled", "true");
    aws.fails_naming(&["aws_ec2_metadata_disabled", "aws_access_key_id"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_set_and_fails_is_reported_and_not_passed_over() {
    let mut aws = Aws::with_container(5);
    let url = aws.endpoints.url();
    aws.world.set("aws_ec2_metadata_service_endpoint", &url);
    aws.endpoints.set_faults(refuses("/v1/credentials", 404, None));
    aws.fails_naming(&["the container endpoint", "404", "aws_container_credentials_full_uri"])
        .await;
    assert_eq!(aws.calls("/latest/api/token"), 0);
    aws.endpoints.set_faults(Faults::default());
    aws.ships(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_source_is_a_mistake_that_is_named_before_any_request() {
    let mut aws = Aws::new(5);
    for (set, names) in [
        ("aws_access_key_id", "aws_secret_access_key is not set"),
        ("aws_session_token", "aws_access_key_id is not set"),
        ("aws_role_arn", "aws_role_arn and aws_web_identity_token_file belong together"),
        ("aws_web_identity_token_file", "belong together"),
        ("aws_container_authorization_token_file", "aws_container_credentials_full_uri"),
    ] {
        aws.world.set(set, "x");
        aws.fails_naming(&[names]).await;
        aws.world.set(set, "");
    }
    aws.world.set("aws_container_credentials_full_uri", "http://192.0.2.1/credentials");
    aws.fails_naming(&["aws_container_credentials_full_uri", "use https, or http only to"]).await;
    aws.world.set("aws_container_credentials_full_uri", "https://credentials.example/x");
    aws.fails_naming(&["set allow_outbound to https://credentials.example,"]).await;
    assert!(aws.world.kong.status().calls.values().all(|calls| *calls == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_is_read_anew_at_each_fetch() {
    let mut aws = Aws::with_container(20);
    aws.world.set("aws_container_authorization_token_file", "/tokens/eks");
    aws.fails_naming(&[
        "aws_container_authorization_token_file",
        "is not there",
        "--direct-mounts",
    ])
    .await;
    for round in 0..2 {
        let token = format!("{AUTHORIZATION}-{round}");
        aws.endpoints.set(|settings| settings.authorization = Some(token.clone()));
        // The endpoint echoes what it was given: that is not printed.
        if round > 0 {
            aws.fails_naming(&["401", "its words are not shown"]).await;
        }
        aws.write("eks", &token);
        aws.ships(20).await;
        aws.world.kong.add_activity(20, 0);
    }
    aws.world.set("aws_container_authorization_token_file", "");
    aws.world.set("aws_container_authorization_token", &format!("{AUTHORIZATION}-1"));
    aws.ships(20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stss_refusals_say_what_to_change() {
    let mut aws = Aws::with_web_identity(5);
    aws.endpoints.set(|settings| settings.web_identity_token = "another".into());
    aws.fails_naming(&["InvalidIdentityToken", "identity provider in IAM"]).await;
    aws.endpoints.set(|settings| settings.web_identity_token = IDENTITY.into());

    for (code, names) in [
        ("ExpiredTokenException", "--direct-mounts"),
        ("AccessDenied", "trust policy"),
        ("RegionDisabledException", "turn STS on"),
    ] {
        let error = StsError { code: code.to_owned(), when: When::default() };
        aws.endpoints.set_faults(Faults { sts: vec![error], ..Faults::default() });
        let before = aws.calls("/");
        aws.fails_naming(&["STS", names]).await;
        assert_eq!(aws.calls("/"), before + 1, "{code} is not tried again");
    }
    let once = When { next: Some(1), ..When::default() };
    for code in ["IDPCommunicationError", "Throttling", "InternalFailure"] {
        let error = StsError { code: code.to_owned(), when: once.clone() };
        aws.endpoints.set_faults(Faults { sts: vec![error], ..Faults::default() });
        let before = aws.calls("/");
        assert_eq!(aws.tick().await["outcome"], "ok", "{code}");
        assert_eq!(aws.calls("/"), before + 2, "{code} may pass");
        aws.world.kong.add_activity(1, 0);
    }
    aws.world.set("aws_role_arn", "arn:aws:iam::123456789012:role/other");
    aws.fails_naming(&["AccessDenied", "aws_role_arn"]).await;
    aws.world.set("aws_endpoint_url_sts", "http://127.0.0.1:1").set("run_budget_secs", "2");
    aws.fails_naming(&["aws_endpoint_url_sts"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instance_metadata_that_gives_nothing_says_why() {
    let mut aws = Aws::with_instance(5);
    aws.world.set("run_budget_secs", "5");
    aws.endpoints.set(|settings| settings.instance_role = None);
    aws.fails_naming(&["no role", "instance profile"]).await;
    aws.endpoints.set(|settings| settings.instance_role = Some("kong-cloudtrail".to_owned()));

    aws.endpoints.set(|settings| settings.instance_metadata_disabled = true);
    aws.fails_naming(&["turned off", "HttpEndpoint", "aws_access_key_id"]).await;
    aws.endpoints.set(|settings| settings.instance_metadata_disabled = false);

    let error = "AssumeRoleUnauthorizedAccess";
    aws.endpoints.set(|settings| settings.instance_error = Some(error.to_owned()));
    aws.fails_naming(&[error, "trust ec2.amazonaws.com"]).await;
    aws.endpoints.set(|settings| settings.instance_error = None);

    aws.endpoints.set(|settings| settings.beyond_hop_limit = true);
    aws.fails_naming(&["no answer within 2 s", "HttpPutResponseHopLimit to 2"]).await;
    aws.endpoints.set(|settings| settings.beyond_hop_limit = false);

    aws.world.set("run_budget_secs", "60");
    aws.endpoints.set_faults(refuses("/latest/api/token", 503, Some(2)));
    aws.ships(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_near_their_end_are_renewed_within_a_run_and_nothing_is_lost_or_repeated() {
    let mut aws = Aws::with_container(1500);
    // Five minutes and two seconds: due for renewal while the run goes on.
    aws.endpoints.set(|settings| settings.lifetime_secs = 302);
    aws.world.set("max_calls_per_sec", "3").set("max_in_flight", "3");
    aws.ships(1500).await;
    let keys = aws.keys();
    assert!(keys.len() > 1, "{keys:?}");
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "no old ones come back");
    assert_eq!(aws.calls("/v1/credentials"), keys.len() as u64, "one fetch for all batches");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_end_early_are_fetched_anew_once_for_all_batches() {
    let mut aws = Aws::with_container(1500);
    aws.world.set("max_calls_per_sec", "3").set("max_in_flight", "3");
    aws.endpoints.set(|settings| settings.lifetime_secs = 3);
    let report = aws.tick().await;
    assert_eq!(report["outcome"], "ok", "{report:?}");
    aws.world.assert_exactly_once();
    assert!(aws.keys().len() > 1);
    assert!(aws.world.cloudtrail.status().refused_calls > 0, "some were refused as expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_stay_expired_fail_the_run_with_the_remedy() {
    let mut aws = Aws::with_container(20);
    aws.endpoints.set_clock(-7200);
    aws.fails_naming(&["ExpiredTokenException", "handed out expired ones"]).await;
    assert_eq!(aws.calls("/v1/credentials"), 2, "anew, once");
    aws.endpoints.set_clock(0);
    aws.endpoints.rotate();
    aws.world.set("lease_secs", "300");
    aws.ships(20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_is_judged_by_awss_clock() {
    for ahead in [-3 * 3600, 3 * 3600] {
        let aws = Aws::with_container(700);
        aws.endpoints.set_clock(ahead);
        aws.world.cloudtrail.set_clock(ahead);
        aws.ships(700).await;
        let fetches = aws.calls("/v1/credentials");
        assert_eq!(fetches, 1, "{ahead}: once the clocks are known they are as fresh as they are");
    }
}
