//! The modules are described and used: their files, inputs and outputs, and the examples.

use std::collections::BTreeSet;

use crate::files::{Module, argument, label, members, path, plain, text};

const MODULES: [&str; 11] = [
    "terraform",
    "terraform/made-secret",
    "terraform/lake",
    "terraform/cloudwatch",
    "terraform/s3",
    "terraform/watch",
    "terraform/deployer",
    "terraform/examples/cloudtrail",
    "terraform/examples/cloudwatch",
    "terraform/examples/existing",
    "terraform/examples/s3",
];

#[test]
fn every_file_and_folder_of_the_module_is_told_of() {
    let readme = text("terraform/README.md");
    for entry in std::fs::read_dir(path("terraform")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let folder = entry.path().is_dir();
        if name.starts_with('.') || name == "README.md" {
            continue;
        }
        let told = if folder { format!("{name}/") } else { format!("`{name}`") };
        assert!(readme.contains(&told), "{name}");
    }
}

#[test]
fn every_variable_and_output_has_a_description_and_variables_have_a_type() {
    for folder in MODULES {
        let module = Module::read(folder);
        for variable in module.blocks("variable") {
            let told = ["description", "type"].map(|name| argument(variable.body(), name));
            assert!(told.iter().flatten().all(|text| !text.is_empty()), "{folder}: {variable:?}");
            assert!(told.iter().all(Option::is_some), "{folder}: {variable:?}");
        }
        for output in module.blocks("output") {
            assert!(argument(output.body(), "description").is_some(), "{folder}: {output:?}");
        }
    }
}

#[test]
fn every_variable_is_used() {
    for folder in MODULES {
        let module = Module::read(folder);
        let text = module.text();
        let words: BTreeSet<&str> = text
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
            .filter_map(|word| word.strip_prefix("var."))
            .collect();
        for variable in module.blocks("variable") {
            let name = label(variable, 0);
            // Once in its own validation is not enough.
            let uses = text.matches(&format!("var.{name}")).count();
            let own = hcl::format::to_string(variable.body()).unwrap();
            let own = own.matches(&format!("var.{name}")).count();
            assert!(words.contains(name) && uses > own, "{folder}: {name} is not used");
        }
    }
}

#[test]
fn what_sounds_like_a_secret_is_a_reference_or_marked_as_sensitive() {
    for folder in MODULES {
        for variable in Module::read(folder).blocks("variable") {
            let name = label(variable, 0);
            let sounds =
                ["token", "password", "secret", "key"].iter().any(|word| name.contains(word));
            // Or says where it comes from.
            let refers = name == "ledger_key"
                || ["_arn", "_arns", "_version"].iter().any(|end| name.ends_with(end));
            let marked = argument(variable.body(), "sensitive").as_deref() == Some("true");
            assert!(!sounds || refers || marked, "{folder}: {name}");
        }
    }
}

#[test]
fn the_examples_give_the_module_what_it_takes_and_all_that_it_requires() {
    let module = Module::read("terraform");
    let takes: BTreeSet<&str> =
        module.blocks("variable").map(|variable| label(variable, 0)).collect();
    let required: BTreeSet<&str> = module
        .blocks("variable")
        .filter(|variable| argument(variable.body(), "default").is_none())
        .map(|variable| label(variable, 0))
        .collect();
    let mut destinations = BTreeSet::new();
    for entry in std::fs::read_dir(path("terraform/examples")).unwrap() {
        let folder = format!("terraform/examples/{}", entry.unwrap().file_name().to_str().unwrap());
        let example = Module::read(&folder);
        let call = example.blocks("module").next().unwrap().body();
        let given: BTreeSet<&str> =
            call.attributes().map(hcl::Attribute::key).filter(|name| *name != "source").collect();
        assert!(given.is_subset(&takes), "{folder}");
        assert!(required.is_subset(&given), "{folder}");
        destinations.insert(argument(call, "destination").unwrap());

        let values: hcl::Body =
            hcl::parse(&text(&format!("{folder}/terraform.tfvars.example"))).unwrap();
        for variable in example.blocks("variable") {
            let name = label(variable, 0);
            let told = argument(&values, name).is_some();
            let default = argument(variable.body(), "default").is_some();
            assert!(told || default, "{folder}: terraform.tfvars.example lacks {name}");
        }
        // `cargo xtask deployment` plans it with these values.
        assert!(path(&format!("{folder}/tests/plan.tftest.hcl")).is_file(), "{folder}");
    }
    let module = members(module.local("target")).into_keys().collect();
    assert_eq!(destinations, module, "an example for each destination");
}

/// What the newest version of the next number does is not known.
#[test]
fn every_version_has_a_lower_bound_and_ends_before_the_next_major_one() {
    for folder in MODULES {
        let module = Module::read(folder);
        let settings = module.blocks("terraform").next().unwrap().body();
        let mut versions = vec![argument(settings, "required_version").unwrap()];
        let providers = settings.blocks().next().unwrap().body();
        for provider in providers.attributes() {
            versions.push(plain(members(provider.expr())["version"]));
        }
        for version in versions {
            let numbers: Vec<&str> =
                version.split(['>', '=', '<', ',', ' ', '.']).filter(|it| !it.is_empty()).collect();
            let [major, _, _, next, "0", "0"] = numbers[..] else { panic!("{folder}: {version}") };
            assert_eq!(next.parse::<u32>().unwrap(), major.parse::<u32>().unwrap() + 1, "{folder}");
        }
    }
}

/// Types that take no tags, by the provider's documentation.
const UNTAGGED: [&str; 15] = [
    "aws_cloudwatch_event_target",
    "aws_cloudwatch_log_metric_filter",
    "aws_cloudwatch_log_stream",
    "aws_cloudwatch_query_definition",
    "aws_glue_catalog_table",
    "aws_iam_role_policy",
    "aws_s3_bucket_lifecycle_configuration",
    "aws_s3_bucket_object_lock_configuration",
    "aws_s3_bucket_ownership_controls",
    "aws_s3_bucket_policy",
    "aws_s3_bucket_public_access_block",
    "aws_s3_bucket_server_side_encryption_configuration",
    "aws_s3_bucket_versioning",
    "aws_scheduler_schedule",
    "aws_secretsmanager_secret_version",
];

#[test]
fn whatever_takes_tags_has_the_tags_that_are_given() {
    for folder in MODULES {
        for resource in Module::read(folder).blocks("resource") {
            let tags = argument(resource.body(), "tags");
            let given = tags.as_ref().is_some_and(|tags| {
                tags.contains("var.resource_tags") || tags.contains("var.tags")
            });
            let kind = label(resource, 0);
            let takes = !UNTAGGED.contains(&kind);
            assert_eq!(given, takes, "{folder}: {kind}.{}: {tags:?}", label(resource, 1));
        }
    }
}

/// The table is the same whether Terraform makes it or a person does.
#[test]
fn the_table_over_the_bucket_is_the_one_that_the_page_of_queries_makes() {
    let page = text("docs/queries/athena/README.md");
    let module = Module::read("terraform/s3");
    let table = module.resources("aws_glue_catalog_table")["this"];
    let parameters = table.attributes().find(|argument| argument.key() == "parameters").unwrap();
    let location = "s3://<bucket>/<bucket_prefix>/<ledger>";
    let mut told = 0;
    for (name, value) in members(parameters.expr()) {
        let value = plain(value).replace("${local.location}", location).replace("$${", "${");
        let value = value.trim_matches('"');
        told += usize::from(name != "EXTERNAL");
        assert!(name == "EXTERNAL" || page.contains(&format!("'{name}' = '{value}'")), "{name}");
    }
    assert_eq!(page.matches("'projection.").count() + 1, told);
    let columns = table.blocks().filter(|block| block.identifier() == "partition_keys");
    let columns: Vec<_> = columns.map(|column| argument(column.body(), "name").unwrap()).collect();
    assert_eq!(columns, ["stream", "date"]);
    assert!(page.contains("PARTITIONED BY (stream string, `date` string)"));
    let stored = table.blocks().find(|block| block.identifier() == "storage_descriptor").unwrap();
    let serde = stored.body().blocks().find(|block| block.identifier() == "ser_de_info").unwrap();
    let library = argument(serde.body(), "serialization_library").unwrap();
    assert!(page.contains(&format!("ROW FORMAT SERDE '{library}'")));
    assert!(page.contains(&format!("LOCATION '{location}/'")));
}
