//! terraform/README.md says what the module takes, gives and has.

use std::collections::BTreeSet;

use crate::files::{Module, argument, label, members, path, plain, text, written};

const MODULES: [&str; 8] = [
    "terraform",
    "terraform/made-secret",
    "terraform/lake",
    "terraform/cloudwatch",
    "terraform/s3",
    "terraform/watch",
    "terraform/examples/service",
    "terraform/examples/scheduled",
];

/// Modules with inputs of their own, and what the headings of their tables end in.
const DOCUMENTED: [(&str, &str); 4] = [
    ("terraform", ""),
    ("terraform/cloudwatch", " of `cloudwatch`"),
    ("terraform/s3", " of `s3`"),
    ("terraform/watch", " of `watch`"),
];

/// The rows of the table under a heading, as cells.
fn rows(document: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, rest) = document.split_once(&format!("# {heading}\n")).unwrap();
    let section = rest.split("\n#").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = |line: &str| {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}

#[test]
fn the_tables_of_inputs_are_those_of_the_modules() {
    for (folder, of) in DOCUMENTED {
        let told = rows(&text("terraform/README.md"), &format!("Inputs{of}"));
        let input = |variable: &hcl::Block| {
            let default = variable.body().attributes().find(|argument| argument.key() == "default");
            let default = default
                .map_or("required".to_owned(), |default| format!("`{}`", written(default.expr())));
            let kind = argument(variable.body(), "type").unwrap();
            let meaning = argument(variable.body(), "description").unwrap();
            vec![format!("`{}`", label(variable, 0)), format!("`{kind}`"), default, meaning]
        };
        let there: Vec<_> = Module::read(folder).blocks("variable").map(input).collect();
        assert_eq!(told, there, "{folder}");
    }
}

#[test]
fn the_tables_of_outputs_are_those_of_the_modules() {
    for (folder, of) in DOCUMENTED {
        let output = |output: &hcl::Block| {
            let meaning = argument(output.body(), "description").unwrap();
            vec![format!("`{}`", label(output, 0)), meaning]
        };
        let there: Vec<_> = Module::read(folder).blocks("output").map(output).collect();
        let told = rows(&text("terraform/README.md"), &format!("Outputs{of}"));
        assert_eq!(told, there, "{folder}");
    }
}

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
    for mode in ["service", "scheduled"] {
        let folder = format!("terraform/examples/{mode}");
        let example = Module::read(&folder);
        let call = example.blocks("module").next().unwrap().body();
        let given: BTreeSet<&str> =
            call.attributes().map(hcl::Attribute::key).filter(|name| *name != "source").collect();
        assert!(given.is_subset(&takes), "{folder}");
        assert!(required.is_subset(&given), "{folder}");
        assert_eq!(argument(call, "run_mode").as_deref(), Some(mode));

        let values: hcl::Body =
            hcl::parse(&text(&format!("{folder}/terraform.tfvars.example"))).unwrap();
        for variable in example.blocks("variable") {
            let name = label(variable, 0);
            let told = argument(&values, name).is_some();
            let default = argument(variable.body(), "default").is_some();
            assert!(told || default, "{folder}: terraform.tfvars.example lacks {name}");
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
