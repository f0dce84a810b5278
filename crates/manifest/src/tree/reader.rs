//! Reads text into trees: a loop over the parser's events with its own stack, so that bounds hold at every step.

use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput, Tag};
use tidegate_model::Invalid;

use super::{Data, Field, Mark, Node, Scalar, surrogates};
use crate::error::ManifestError;
use crate::limits;

/// What one call may still read; shared by all its sources.
#[derive(Clone, Debug)]
pub struct Budget {
    nodes: usize,
    documents: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { nodes: limits::NODES_MAX, documents: limits::DOCUMENTS_MAX }
    }
}

/// Reads all YAML documents of a text (JSON is read as the YAML that it is). Documents before the first error of form
/// come back beside it; a duplicate key is an error, too, and its first value stands.
#[must_use]
pub fn read(source_name: &str, text: &str, budget: &mut Budget) -> (Vec<Node>, Vec<ManifestError>) {
    let mut reader =
        Reader { source_name, budget, documents: Vec::new(), stack: Vec::new(), anchors: BTreeMap::new(), errors: Vec::new() };
    // A byte order mark is no part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = surrogates::join(text);
    if let Err(broken) = reader.run(Parser::new_from_str(&text)) {
        reader.report(broken);
    }
    (reader.documents, reader.errors)
}

struct Reader<'a> {
    source_name: &'a str,
    budget: &'a mut Budget,
    documents: Vec<Node>,
    stack: Vec<Open>,
    // Anchored nodes with the number of nodes in each.
    anchors: BTreeMap<usize, (Node, usize)>,
    errors: Vec<ManifestError>,
}

/// What is broken, and where; nothing more of the source is read.
struct Broken(Mark, Invalid);

/// A list or map whose end has not been read.
struct Open {
    mark: Mark,
    anchor: usize,
    // Nodes read into it so far, itself included.
    nodes: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { fields: Vec<Field>, names: BTreeSet<String>, key: Option<(Mark, String)> },
}

impl Reader<'_> {
    fn run(&mut self, mut parser: Parser<'_, StrInput<'_>>) -> Result<(), Broken> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                Broken(mark(*error.marker()), Invalid::new("", "", format!("is not YAML or JSON: {}", error.info())))
            })?;
            let mark = mark(span.start);
            match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let quoted = style != ScalarStyle::Plain || tag.as_deref().is_some_and(is_text_tag);
                    self.check_tag(mark, tag.as_deref())?;
                    let node = Node { mark, data: Data::Scalar(Scalar { text: text.into_owned(), quoted }) };
                    self.spend(mark, 1)?;
                    self.add(node, 1, anchor)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.check_tag(mark, tag.as_deref())?;
                    self.open(mark, anchor, Content::List(Vec::new()))?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.check_tag(mark, tag.as_deref())?;
                    self.open(mark, anchor, Content::Map { fields: Vec::new(), names: BTreeSet::new(), key: None })?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(mark)?,
                Event::Alias(anchor) => self.expand(mark, anchor)?,
                Event::DocumentStart(_) => self.anchors.clear(),
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Ok(())
    }

    fn open(&mut self, mark: Mark, anchor: usize, content: Content) -> Result<(), Broken> {
        if self.stack.len() >= limits::DEPTH_MAX {
            return Err(Broken(mark, Invalid::new("", "", format!("is nested deeper than {} levels", limits::DEPTH_MAX))));
        }
        self.spend(mark, 1)?;
        self.stack.push(Open { mark, anchor, nodes: 1, content });
        Ok(())
    }

    fn close(&mut self, mark: Mark) -> Result<(), Broken> {
        let Some(open) = self.stack.pop() else {
            return Err(Broken(mark, Invalid::new("", "", "is not YAML or JSON: an end without a beginning")));
        };
        let data = match open.content {
            Content::List(items) => Data::List(items),
            Content::Map { fields, .. } => Data::Map(fields),
        };
        self.add(Node { mark: open.mark, data }, open.nodes, open.anchor)
    }

    fn expand(&mut self, mark: Mark, anchor: usize) -> Result<(), Broken> {
        let Some((node, nodes)) = self.anchors.get(&anchor) else {
            return Err(Broken(mark, Invalid::new("", "", "is an alias of something that is not complete")));
        };
        let (node, nodes) = (node.clone(), *nodes);
        if self.stack.len() + depth(&node) > limits::DEPTH_MAX {
            return Err(Broken(mark, Invalid::new("", "", format!("is nested deeper than {} levels", limits::DEPTH_MAX))));
        }
        self.spend(mark, nodes)?;
        self.add(Node { mark, ..node }, nodes, 0)
    }

    /// Puts a complete node where it belongs: into the list or map that is open, or as a document.
    fn add(&mut self, node: Node, nodes: usize, anchor: usize) -> Result<(), Broken> {
        if anchor > 0 {
            // The copy kept for aliases counts: many anchors cannot hold more than the budget allows.
            self.spend(node.mark, nodes)?;
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
        let Some(open) = self.stack.last_mut() else {
            if self.budget.documents == 0 {
                let rule = format!("is one document too many: at most {} in one call", limits::DOCUMENTS_MAX);
                return Err(Broken(node.mark, Invalid::new("", "", rule)));
            }
            self.budget.documents -= 1;
            // A document with nothing in it (a comment between two separators) is no document.
            if !node.is_null() {
                self.documents.push(node);
            }
            return Ok(());
        };
        open.nodes += nodes;
        let (fields, names, key) = match &mut open.content {
            Content::List(items) => {
                items.push(node);
                return Ok(());
            }
            Content::Map { fields, names, key } => (fields, names, key),
        };
        match key.take() {
            None => match node.data {
                Data::Scalar(scalar) => *key = Some((node.mark, scalar.text)),
                Data::List(_) | Data::Map(_) => {
                    return Err(Broken(node.mark, Invalid::new("", node.quote(), "cannot be the name of a field")));
                }
            },
            Some((mark, name)) => {
                if names.insert(name.clone()) {
                    fields.push(Field { mark, name, value: node });
                } else {
                    self.report(Broken(mark, Invalid::new("", &name, "is there twice in one map")));
                }
            }
        }
        Ok(())
    }

    fn spend(&mut self, mark: Mark, nodes: usize) -> Result<(), Broken> {
        match self.budget.nodes.checked_sub(nodes) {
            Some(rest) => {
                self.budget.nodes = rest;
                Ok(())
            }
            None => {
                let rule = format!("is too much: at most {} values in one call, aliases expanded", limits::NODES_MAX);
                Err(Broken(mark, Invalid::new("", "", rule)))
            }
        }
    }

    /// Tags of YAML's core schema say what is known anyway; any other would be ignored, so it is refused.
    fn check_tag(&self, mark: Mark, tag: Option<&Tag>) -> Result<(), Broken> {
        match tag {
            Some(tag) if !tag.is_yaml_core_schema() => {
                Err(Broken(mark, Invalid::new("", tag.to_string(), "is a tag: manifests have none")))
            }
            _ => Ok(()),
        }
    }

    fn report(&mut self, Broken(mark, invalid): Broken) {
        self.errors.push(ManifestError::at(self.source_name, mark, invalid));
    }
}

fn is_text_tag(tag: &Tag) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == "str"
}

fn mark(marker: Marker) -> Mark {
    Mark { line: marker.line(), column: marker.col() + 1 }
}

/// Levels of lists and maps; bounded, since every part of the node was read within the bound.
fn depth(node: &Node) -> usize {
    match &node.data {
        Data::Scalar(_) => 0,
        Data::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Data::Map(fields) => 1 + fields.iter().map(|field| depth(&field.value)).max().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: &Expect) {
        let (documents, errors) = read("f", text, &mut Budget::default());
        let mut lines: Vec<_> = documents.iter().map(show).collect();
        lines.extend(errors.iter().map(ToString::to_string));
        expected.assert_eq(&lines.join("\n"));
    }

    fn show(node: &Node) -> String {
        match &node.data {
            Data::Scalar(Scalar { text, quoted }) => {
                if *quoted {
                    format!("{text:?}")
                } else {
                    text.clone()
                }
            }
            Data::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(",")),
            Data::Map(fields) => {
                let fields: Vec<_> = fields.iter().map(|field| format!("{}:{}", field.name, show(&field.value))).collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }

    #[test]
    fn documents_lists_and_json() {
        check(
            "a: 1\n---\n- b\n- 'c'\n",
            &expect![[r#"
            {a:1}
            [b,"c"]"#]],
        );
        check("# nothing\n---\n---\na: !!str 5\n", &expect![[r#"{a:"5"}"#]]);
        check(
            "{\"a\": \"\\ud83d\\ude00 \\/ \\u00fc\\t\",\n\t\"b\":[1.50,null,true],\"c\":{}}",
            &expect![[r#"{a:"😀 / ü\t",b:[1.50,null,true],c:{}}"#]],
        );
        check("{\n\t\"a\":\"x\",\n\t\t\"b\": {\"url\":\"https://x/y\"}\n}", &expect![[r#"{a:"x",b:{url:"https://x/y"}}"#]]);
        check("a: &x [1, 2]\nb: *x\n", &expect!["{a:[1,2],b:[1,2]}"]);
        check("a:\n  b: |\n    two\n    lines\n", &expect![[r#"{a:{b:"two\nlines\n"}}"#]]);
    }

    #[test]
    fn errors_of_form_have_a_place() {
        check(
            "a: 1\na: 2\nb: {c: 1, c: 2}\n",
            &expect![[r#"
            {a:1,b:{c:1}}
            f:2:1: "a" is there twice in one map
            f:3:11: "c" is there twice in one map"#]],
        );
        check("a: [1\nb: 2\n", &expect!["f:2:2: is not YAML or JSON: illegal placement of ':' indicator"]);
        check(
            "a: 1\n--- \nb: }\n",
            &expect![[r#"
            {a:1}
            f:3:4: is not YAML or JSON: misplaced bracket"#]],
        );
        check("a: !secret x\n", &expect![[r#"f:1:4: "!secret" is a tag: manifests have none"#]]);
        check("? [a]\n: b\n", &expect![[r#"f:1:3: "[...]" cannot be the name of a field"#]]);
        check("a: &x [*x]\n", &expect!["f:1:8: is an alias of something that is not complete"]);
        check("a: *nobody\n", &expect!["f:1:4: is not YAML or JSON: while parsing node, found unknown anchor"]);
        check(&"[".repeat(200_000), &expect!["f:1:256: is not YAML or JSON: recursion limit exceeded"]);
        check(&"- ".repeat(2_000), &expect!["f:1:65: is nested deeper than 32 levels"]);
    }

    #[test]
    fn aliases_cannot_multiply_without_bound() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{},", level - 1).repeat(10);
            text += &format!("a{level}: &a{level} [{below}]\n");
        }
        check(&text, &expect!["f:6:5: is too much: at most 2000000 values in one call, aliases expanded"]);
    }
}
