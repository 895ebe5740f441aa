//! What `deploy/kubernetes` gives a cluster is what the application needs, for every kustomization
//! as `kubectl kustomize` builds it, and what its README says.
#![allow(clippy::unwrap_used)]

mod documents;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use documents::text;
use serde_json::{Value, json};
use toml::Table;

/// Those that a pod may be made of as they stand: the base has no credentials.
const COMPLETE: [&str; 4] = ["example", "irsa", "pod-identity", "static-credentials"];

/// What OpenSSL trusts, which is no variable of the application.
const AUTHORITIES: &str = "SSL_CERT_FILE";

const IMAGE_FILES: &str = "/var/run/secrets";

/// Where EKS mounts the token of Pod Identity and that of IRSA.
const EKS_TOKENS: [&str; 2] = [
    "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
    "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
];

fn toml(name: &str) -> Table {
    text(name).parse().unwrap()
}

/// What one kustomization comes to.
struct Built {
    name: String,
    resources: Vec<Value>,
}

impl Built {
    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.resources.iter().filter(move |resource| resource["kind"] == kind)
    }

    fn only(&self, kind: &str) -> &Value {
        let mut all = self.of_kind(kind);
        let one = all.next().unwrap_or_else(|| panic!("{}: no {kind}", self.name));
        assert!(all.next().is_none(), "{}: more than one {kind}", self.name);
        one
    }

    fn job(&self) -> &Value {
        &self.only("CronJob")["spec"]["jobTemplate"]["spec"]
    }

    fn pod(&self) -> &Value {
        &self.job()["template"]["spec"]
    }

    fn container(&self) -> &Value {
        let containers = list(&self.pod()["containers"]);
        assert_eq!(containers.len(), 1, "{}", self.name);
        &containers[0]
    }

    /// The variables out of the ConfigMap that the container reads.
    fn settings(&self) -> BTreeMap<String, String> {
        let map = self.only("ConfigMap");
        let from = json!([{ "configMapRef": { "name": map["metadata"]["name"] } }]);
        assert_eq!(self.container()["envFrom"], from, "{}", self.name);
        serde_json::from_value(map["data"].clone()).unwrap()
    }

    /// The variables out of Secrets: name, Secret and key.
    fn secrets(&self) -> BTreeMap<&str, (&str, &str)> {
        let mut secrets = BTreeMap::new();
        let environment = list(&self.container()["env"]);
        for variable in environment.iter().filter(|variable| variable["name"] != AUTHORITIES) {
            let reference = &variable["valueFrom"]["secretKeyRef"];
            assert!(variable.get("value").is_none(), "{}: {variable}", self.name);
            // Absent, it is told by the report; required, by a pod that waits without a word.
            assert_eq!(reference["optional"], true, "{}: {variable}", self.name);
            let of_secret = (word(&reference["name"]), word(&reference["key"]));
            secrets.insert(word(&variable["name"]), of_secret);
        }
        secrets
    }

    /// Ports that may be reached, each with the blocks of addresses, or none for anywhere.
    fn egress(&self) -> BTreeMap<u64, BTreeSet<Option<&str>>> {
        let mut reached: BTreeMap<u64, BTreeSet<Option<&str>>> = BTreeMap::new();
        for policy in self.of_kind("NetworkPolicy") {
            for rule in list(&policy["spec"]["egress"]) {
                let blocks: BTreeSet<_> = match rule["to"].as_array() {
                    None => BTreeSet::from([None]),
                    Some(peers) => {
                        peers.iter().map(|peer| peer["ipBlock"]["cidr"].as_str()).collect()
                    }
                };
                for port in list(&rule["ports"]) {
                    reached.entry(port["port"].as_u64().unwrap()).or_default().extend(&blocks);
                }
            }
        }
        reached
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Every kustomization; none where nobody built them.
fn built() -> Vec<Built> {
    let Some(folder) = std::env::var_os("KONG_CLOUDTRAIL_TEST_KUBERNETES").map(PathBuf::from)
    else {
        println!(
            "SKIPPED: the Kubernetes manifests, since KONG_CLOUDTRAIL_TEST_KUBERNETES names no folder with them; `cargo xtask test` builds them"
        );
        return Vec::new();
    };
    let one = |file: std::io::Result<std::fs::DirEntry>| {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let resources = serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap());
        Built { name, resources: resources.unwrap() }
    };
    let mut all: Vec<Built> = std::fs::read_dir(folder).unwrap().map(one).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<&str> = all.iter().map(|built| built.name.as_str()).collect();
    assert_eq!(names, [&["base"][..], &COMPLETE].concat());
    all
}

fn named<'b>(all: &'b [Built], name: &str) -> Option<&'b Built> {
    all.iter().find(|built| built.name == name)
}

/// A variable's name from that of its environment variable.
fn variable(environment: &str) -> Option<String> {
    environment.strip_prefix("SPIN_VARIABLE_").map(str::to_ascii_lowercase)
}

#[test]
fn what_is_set_is_a_variable_and_a_secret_is_read_from_a_secret_and_in_no_manifest() {
    let manifest = toml("spin-command.toml");
    let variables = manifest["variables"].as_table().unwrap();
    let is_secret = |environment: &str| {
        variables[&variable(environment).unwrap()].get("secret") == Some(&toml::Value::from(true))
    };
    for built in built() {
        assert!(built.of_kind("Secret").next().is_none(), "{}", built.name);
        assert!(!built.settings().keys().any(|name| is_secret(name)), "{}", built.name);
        assert!(built.secrets().keys().all(|name| is_secret(name)), "{}", built.name);
    }
}

#[test]
fn the_ledger_is_where_the_runtime_configuration_says_or_there_is_no_run() {
    for built in built() {
        let mounts = list(&built.container()["volumeMounts"]);
        let mount = mounts.iter().find(|mount| mount["mountPath"] == "/runtime-config.toml");
        let mount = mount.unwrap();
        assert_eq!(mount["subPath"], "runtime-config.toml", "{}", built.name);
        let volumes = list(&built.pod()["volumes"]);
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
        assert_eq!(volume["secret"]["secretName"], "kong-cloudtrail-runtime-config");
        assert!(volume["secret"].get("optional").is_none(), "{}", built.name);
    }
}

#[test]
fn a_run_has_the_time_of_its_budget_and_is_never_beside_another() {
    let manifest = toml("spin-command.toml");
    let budget = manifest["variables"]["run_budget_secs"]["default"].as_str().unwrap();
    for built in built() {
        assert_eq!(built.settings()["SPIN_VARIABLE_RUN_BUDGET_SECS"], budget, "{}", built.name);
        let deadline = built.job()["activeDeadlineSeconds"].as_u64().unwrap();
        // A Redis that refuses connections holds a run up for 10 minutes.
        assert!(deadline >= budget.parse::<u64>().unwrap() + 600, "{}", built.name);
        assert_eq!(built.only("CronJob")["spec"]["concurrencyPolicy"], "Forbid");
    }
}

#[test]
fn the_schedule_is_that_of_the_timer_trigger_and_a_failed_run_is_left_to_it() {
    let interval = toml("spin.toml")["trigger"]["timer"][0]["interval_secs"].as_integer().unwrap();
    for built in built() {
        let spec = &built.only("CronJob")["spec"];
        assert_eq!(spec["schedule"], format!("*/{} * * * *", interval / 60), "{}", built.name);
        assert!(spec["startingDeadlineSeconds"].as_i64().unwrap() < interval, "{}", built.name);
        assert_eq!(built.job()["backoffLimit"], 0, "{}", built.name);
        assert_eq!(built.pod()["restartPolicy"], "Never", "{}", built.name);
    }
}

/// The standard: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>
#[test]
fn the_pod_keeps_the_restricted_security_standard_and_writes_to_its_cache_alone() {
    for built in built() {
        let pod = built.pod();
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{}", built.name);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(pod["automountServiceAccountToken"], false, "{}", built.name);
        assert_eq!(pod["enableServiceLinks"], false, "{}", built.name);
        let container = built.container();
        assert_eq!(
            container["securityContext"],
            json!({
                "allowPrivilegeEscalation": false,
                "capabilities": { "drop": ["ALL"] },
                "readOnlyRootFilesystem": true,
            }),
            "{}",
            built.name
        );
        let writable: Vec<&str> = list(&container["volumeMounts"])
            .iter()
            .filter(|mount| mount["readOnly"] != true)
            .map(|mount| word(&mount["mountPath"]))
            .collect();
        assert_eq!(writable, ["/.cache"], "{}", built.name);
        for host in ["hostNetwork", "hostPID", "hostIPC", "hostAliases", "initContainers"] {
            assert!(pod.get(host).is_none(), "{}: {host}", built.name);
        }
    }
}

#[test]
fn policies_are_for_the_pods_of_the_job_and_let_nothing_in() {
    for built in built() {
        let labels = &built.job()["template"]["metadata"]["labels"];
        let mut closed = false;
        for policy in built.of_kind("NetworkPolicy") {
            let spec = &policy["spec"];
            assert_eq!(&spec["podSelector"]["matchLabels"], labels, "{}", built.name);
            assert!(labels.as_object().is_some_and(|labels| !labels.is_empty()));
            assert!(spec["ingress"].as_array().is_none_or(Vec::is_empty), "{}", built.name);
            let types = list(&spec["policyTypes"]);
            assert!(types.contains(&json!("Egress")), "{}", built.name);
            closed |= types.contains(&json!("Ingress"));
        }
        assert!(closed, "{}: something may come in", built.name);
    }
}

#[test]
fn policies_allow_what_the_application_may_reach_and_credentials_of_no_other_kind() {
    let manifest = toml("spin-command.toml");
    let hosts = manifest["component"]["kong-cloudtrail"]["allowed_outbound_hosts"].clone();
    let hosts: Vec<String> = hosts.try_into().unwrap();
    let runtime = toml("runtime-config.example.toml");
    let redis = runtime["key_value_store"]["default"]["url"].as_str().unwrap();
    let all = built();
    for built in &all {
        let reached = built.egress();
        let anywhere = |port| reached.get(&port).is_some_and(|blocks| blocks.contains(&None));
        assert!(reached.contains_key(&53), "{}: no names", built.name);
        assert!(anywhere(port(redis)), "{}: no Redis", built.name);
        for host in hosts.iter().filter(|host| host.starts_with("https://")) {
            assert!(anywhere(port(host)), "{}: {host}", built.name);
        }
        let link_local: BTreeSet<_> = reached.get(&80).cloned().unwrap_or_default();
        let agent = ["pod-identity", "example"].contains(&built.name.as_str());
        let expected = agent.then_some(Some("169.254.170.23/32"));
        assert_eq!(link_local, expected.into_iter().collect(), "{}", built.name);
    }
    assert!(hosts.contains(&"http://169.254.170.23".to_owned()));
    if let Some(example) = named(&all, "example") {
        let kong = &example.settings()["SPIN_VARIABLE_KONG_ADMIN_API"];
        assert!(example.egress()[&port(kong)].contains(&None), "{kong}");
    }
}

/// The port of an origin or URL.
fn port(origin: &str) -> u64 {
    let (scheme, rest) = origin.split_once("://").unwrap();
    let written = rest.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    written.unwrap_or(if scheme == "https" { 443 } else { 80 })
}

#[test]
fn each_overlay_has_what_its_kind_of_credentials_needs() {
    let all = built();
    for built in &all {
        let keys: Vec<&str> =
            built.secrets().keys().copied().filter(|name| name.contains("_AWS_")).collect();
        let role = &built.only("ServiceAccount")["metadata"]["annotations"];
        let role = role["eks.amazonaws.com/role-arn"].as_str();
        match built.name.as_str() {
            "static-credentials" => assert_eq!(
                keys,
                [
                    "SPIN_VARIABLE_AWS_ACCESS_KEY_ID",
                    "SPIN_VARIABLE_AWS_SECRET_ACCESS_KEY",
                    "SPIN_VARIABLE_AWS_SESSION_TOKEN"
                ]
            ),
            _ => assert!(keys.is_empty(), "{}", built.name),
        }
        let is_irsa = built.name == "irsa";
        assert_eq!(role.is_some_and(|arn| arn.contains(":role/")), is_irsa, "{}", built.name);
        let account = &built.only("ServiceAccount")["metadata"]["name"];
        assert_eq!(&built.pod()["serviceAccountName"], account, "{}", built.name);
    }
}

/// What EKS sets in a pod. SpinKube's shim hands it to the variable of that name.
#[test]
fn what_eks_gives_a_pod_is_a_variable_of_the_application() {
    let manifest = toml("spin-command.toml");
    for name in [
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ] {
        let variable = name.to_lowercase();
        assert!(manifest["variables"].get(&variable).is_some(), "{variable}");
    }
}

#[test]
fn the_example_pins_its_image_and_has_the_authority_of_kong_where_the_readme_says() {
    let all = built();
    let Some(example) = named(&all, "example") else { return };
    assert!(word(&example.container()["image"]).contains("@sha256:"));
    let mounts = list(&example.container()["volumeMounts"]);
    let authority = mounts.iter().find(|mount| mount["name"] == "kong-ca").unwrap();
    let file = format!("ca_roots_file = \"{}/kong-ca.pem\"", word(&authority["mountPath"]));
    assert!(text("deploy/kubernetes/README.md").contains(&file), "{file}");
}

#[test]
fn the_image_is_the_application_and_the_folder_of_eks_tokens() {
    let mut manifest: Table =
        [text("spin-command.toml"), text("deploy/kubernetes/files.toml")].concat().parse().unwrap();
    let component = manifest["component"]["kong-cloudtrail"].as_table_mut().unwrap();
    let files = component.remove("files").unwrap();
    let expected = format!("{{ source = '{IMAGE_FILES}', destination = '{IMAGE_FILES}' }}");
    let expected: Table = format!("files = [{expected}]").parse().unwrap();
    assert_eq!(files, expected["files"]);
    assert_eq!(manifest, toml("spin-command.toml"));
    for token in EKS_TOKENS {
        assert!(Path::new(token).starts_with(IMAGE_FILES));
    }

    let containerfile = text("deploy/kubernetes/Containerfile");
    let source = manifest["component"]["kong-cloudtrail"]["source"].as_str().unwrap();
    for line in [
        format!("COPY kong_cloudtrail.wasm /{source}"),
        "COPY spin.toml /spin.toml".to_owned(),
        format!("WORKDIR {IMAGE_FILES}"),
    ] {
        assert!(containerfile.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn the_readme_creates_each_secret_that_the_manifests_read() {
    let readme = text("deploy/kubernetes/README.md");
    let created = |secret: &str| readme.contains(&format!("create secret generic {secret} "));
    assert!(created("kong-cloudtrail-runtime-config"));
    assert!(readme.contains("--from-file=runtime-config.toml"));
    for built in built() {
        for (secret, key) in built.secrets().into_values() {
            assert!(created(secret), "{secret}");
            assert!(readme.contains(&format!("--from-file={key}=")), "{secret}: {key}");
        }
    }
}

/// The page's own files, which `kubernetes-validate` does not know: a SpinApp is no kind of Kubernetes'.
fn status(file: &str) -> Value {
    serde_saphyr::from_str(&text(&format!("deploy/kubernetes/status/{file}"))).unwrap()
}

#[test]
fn the_status_page_has_the_shippers_store_and_keys_and_is_not_restarted_for_the_shippers_sake() {
    let app = status("spin-app.yaml");
    assert_eq!(app["apiVersion"], "core.spinkube.dev/v1alpha1");
    let spec = &app["spec"];
    assert_eq!(spec["runtimeConfig"]["loadFromSecret"], "kong-cloudtrail-runtime-config");
    for probe in ["liveness", "readiness"] {
        assert_eq!(spec["checks"][probe]["httpGet"]["path"], "/.well-known/spin/health");
    }
    let manifest = toml("spin-status.toml");
    let readme = text("deploy/kubernetes/README.md");
    for variable in list(&spec["variables"]) {
        let declared = &manifest["variables"][word(&variable["name"])];
        assert_eq!(declared.get("secret"), Some(&toml::Value::from(true)), "{variable}");
        let reference = &variable["valueFrom"]["secretKeyRef"];
        assert_eq!(reference["optional"], true, "{variable}");
        assert!(readme.contains(&format!("create secret generic {} ", word(&reference["name"]))));
        assert!(readme.contains(&format!("--from-file={}=", word(&reference["key"]))));
    }
}

#[test]
fn the_status_page_is_let_in_from_one_namespace_and_reaches_redis_alone() {
    let app = status("spin-app.yaml");
    let policy = status("network-policy.yaml");
    let spec = &policy["spec"];
    assert_eq!(spec["podSelector"]["matchLabels"], app["spec"]["podLabels"]);
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    let ingress = list(&spec["ingress"]);
    assert_eq!(ingress.len(), 1);
    assert_eq!(list(&ingress[0]["from"]).len(), 1);
    assert_eq!(ingress[0]["ports"], json!([{ "port": 80, "protocol": "TCP" }]));
    let ports: BTreeSet<_> = list(&spec["egress"])
        .iter()
        .flat_map(|rule| list(&rule["ports"]))
        .map(|port| port["port"].as_u64().unwrap())
        .collect();
    assert_eq!(ports, BTreeSet::from([53, 6379]));
}
