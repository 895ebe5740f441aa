//! The tables of the modules' READMEs are those that [terraform-docs](https://terraform-docs.io) writes with
//! terraform/.terraform-docs.yml (version 0.24). `KONG_CLOUDTRAIL_WRITE_README=1 cargo test --test deployment readme` writes them.

use std::collections::BTreeMap;

use hcl::{Block, Body};

use crate::files::{Module, argument, label, path, text};

const DOCUMENTED: [&str; 6] = [
    "terraform",
    "terraform/cloudwatch",
    "terraform/deployer",
    "terraform/lake",
    "terraform/s3",
    "terraform/watch",
];

#[test]
fn the_tables_of_each_readme_are_those_of_its_module() {
    for folder in DOCUMENTED {
        let file = format!("{folder}/README.md");
        let readme = text(&file);
        let (before, rest) = readme.split_once("<!-- BEGIN_TF_DOCS -->\n").unwrap();
        let (told, after) = rest.split_once("\n<!-- END_TF_DOCS -->").unwrap();
        let there = tables(folder);
        if std::env::var_os("KONG_CLOUDTRAIL_WRITE_README").is_some() {
            let written =
                format!("{before}<!-- BEGIN_TF_DOCS -->\n{there}\n<!-- END_TF_DOCS -->{after}");
            std::fs::write(path(&file), written).unwrap();
            continue;
        }
        for (told, there) in told.lines().zip(there.lines()) {
            assert_eq!(told, there, "{file} is not what the module has");
        }
        assert_eq!(told, there, "{file}");
    }
}

/// What stands between the markers.
fn tables(folder: &str) -> String {
    let module = Module::read(folder);
    let requirements = requirements(&module);
    let used: BTreeMap<_, _> = requirements
        .iter()
        .filter(|(provider, _)| calls(&module).any(|(_, of, _)| of == *provider))
        .collect();
    let versions = |kind: &str, versions: Vec<(&String, &String)>| {
        let row = |(name, version): (&String, &String)| vec![anchor(kind, name), version.clone()];
        versions.into_iter().map(row).collect()
    };
    let core = ("terraform".to_owned(), required_version(&module));
    let required = [(&core.0, &core.1)].into_iter().chain(&requirements).collect();
    [
        table("Requirements", "| Name | Version |\n| ---- | ------- |", versions("requirement", required)),
        table("Providers", "| Name | Version |\n| ---- | ------- |", versions("provider", used.into_iter().collect())),
        table("Modules", "| Name | Source | Version |\n| ---- | ------ | ------- |", modules(&module)),
        table("Resources", "| Name | Type |\n| ---- | ---- |", resources(&module)),
        table(
            "Inputs",
            "| Name | Description | Type | Default | Required |\n| ---- | ----------- | ---- | ------- | :------: |",
            inputs(&module),
        ),
        table("Outputs", "| Name | Description |\n| ---- | ----------- |", outputs(&module)),
    ]
    .join("\n\n")
}

fn table(title: &str, head: &str, rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return format!("## {title}\n\nNo {}.", title.to_lowercase());
    }
    let rows: Vec<String> =
        rows.into_iter().map(|cells| format!("| {} |", cells.join(" | "))).collect();
    format!("## {title}\n\n{head}\n{}", rows.join("\n"))
}

fn anchor(kind: &str, name: &str) -> String {
    let escaped = name.replace('_', "\\_");
    format!("<a name=\"{kind}_{name}\"></a> [{escaped}](#{kind}\\_{escaped})")
}

/// The block `terraform`.
fn settings(module: &Module) -> &Body {
    module.blocks("terraform").next().unwrap().body()
}

fn required_version(module: &Module) -> String {
    argument(settings(module), "required_version").unwrap()
}

/// The versions that are asked of each provider.
fn requirements(module: &Module) -> BTreeMap<String, String> {
    let block = settings(module).blocks().next().unwrap().body();
    let version = |provider: &hcl::Attribute| {
        let told = crate::files::members(provider.expr());
        (provider.key().to_owned(), crate::files::plain(told["version"]))
    };
    block.attributes().map(version).collect()
}

/// What calls AWS: for each resource and data source its mode, its provider and its block.
fn calls(module: &Module) -> impl Iterator<Item = (&'static str, &str, &Block)> {
    ["resource", "data"].into_iter().flat_map(move |mode| {
        module
            .blocks(mode)
            .map(move |block| (mode, label(block, 0).split('_').next().unwrap(), block))
    })
}

fn modules(module: &Module) -> Vec<Vec<String>> {
    let row = |call: &Block| {
        let name = label(call, 0).to_owned();
        (
            name.clone(),
            vec![
                anchor("module", &name),
                argument(call.body(), "source").unwrap(),
                "n/a".to_owned(),
            ],
        )
    };
    module.blocks("module").map(row).collect::<BTreeMap<_, _>>().into_values().collect()
}

fn resources(module: &Module) -> Vec<Vec<String>> {
    let row = |(mode, provider, block): (&str, &str, &Block)| {
        let (kind, name) = (label(block, 0), label(block, 1));
        let page = kind.strip_prefix(provider).unwrap().trim_start_matches('_');
        let (folder, told) = match mode {
            "data" => ("data-sources", "data source"),
            _ => ("resources", "resource"),
        };
        let link = format!(
            "[{kind}.{name}](https://registry.terraform.io/providers/hashicorp/{provider}/latest/docs/{folder}/{page})"
        );
        // Resources stand before data sources.
        ((mode == "data", format!("{kind}.{name}")), vec![link, told.to_owned()])
    };
    calls(module).map(row).collect::<BTreeMap<_, _>>().into_values().collect()
}

fn inputs(module: &Module) -> Vec<Vec<String>> {
    let source = module.text();
    let row = |variable: &Block| {
        let name = label(variable, 0);
        let default = variable.body().attributes().find(|argument| argument.key() == "default");
        let value = |default: &hcl::Attribute| hcl::Value::from(default.expr().clone());
        let default = default.map(|default| serde_json::to_value(value(default)).unwrap());
        let value =
            default.as_ref().map(|value| code(&serde_json::to_string_pretty(value).unwrap()));
        let cells = vec![
            anchor("input", name),
            prose(&argument(variable.body(), "description").unwrap()),
            code(&type_as_written(&source, name)),
            value.unwrap_or_else(|| "n/a".to_owned()),
            if default.is_some() { "no" } else { "yes" }.to_owned(),
        ];
        (name.to_owned(), cells)
    };
    module.blocks("variable").map(row).collect::<BTreeMap<_, _>>().into_values().collect()
}

fn outputs(module: &Module) -> Vec<Vec<String>> {
    let row = |output: &Block| {
        let name = label(output, 0);
        let cells =
            vec![anchor("output", name), prose(&argument(output.body(), "description").unwrap())];
        (name.to_owned(), cells)
    };
    module.blocks("output").map(row).collect::<BTreeMap<_, _>>().into_values().collect()
}

/// The type of a variable with its line breaks and spaces, up to where its brackets are closed.
fn type_as_written(source: &str, name: &str) -> String {
    let (_, variable) = source.split_once(&format!("variable \"{name}\" {{\n")).unwrap();
    let (_, rest) = variable.split_once("\n  type").unwrap();
    let rest = rest.split_once("= ").unwrap().1;
    let mut open = 0_i32;
    let end = rest.char_indices().find(|(_, letter)| {
        open += i32::from(*letter == '(') - i32::from(*letter == ')');
        *letter == '\n' && open == 0
    });
    rest[..end.unwrap().0].to_owned()
}

fn code(text: &str) -> String {
    if text.contains('\n') {
        return format!("<pre>{}</pre>", text.replace('\n', "<br/>"));
    }
    format!("`{text}`")
}

/// A description: what would be Markdown outside of code is escaped, and addresses are left as they are.
fn prose(text: &str) -> String {
    let escape = |word: &str| {
        if word.contains("://") {
            return word.to_owned();
        }
        word.replace('|', "\\|").replace('_', "\\_")
    };
    let mut in_code = true;
    let parts = text.split('`').map(|part| {
        in_code = !in_code;
        // terraform-docs takes these for emphasis, or for the end of a cell.
        assert!(!in_code || !part.contains('|'), "{text}");
        assert!(in_code || !(part.contains(" _") || part.starts_with('_')), "{text}");
        if in_code {
            part.to_owned()
        } else {
            part.split(' ').map(escape).collect::<Vec<_>>().join(" ")
        }
    });
    parts.collect::<Vec<_>>().join("`")
}

#[test]
fn what_is_markdown_is_escaped_outside_of_code_alone() {
    assert_eq!(prose("a_b `c_d` e|f https://g.h/i_j"), "a\\_b `c_d` e\\|f https://g.h/i_j");
    assert_eq!(code("[\n  1\n]"), "<pre>[<br/>  1<br/>]</pre>");
}
