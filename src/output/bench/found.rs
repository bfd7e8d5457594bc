//! What a search for the highest rate has found, as text and as JSON (schema `mozzie-bench-search/1`).

use std::io::{self, Write};

use super::json::{Object, array, quoted};
use super::{plural, rate};
use crate::bench::{Condition, Search, Trial};

/// Writes the runs and what they showed.
pub fn render_found(search: &Search, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:>15}{:>17}", "rate", "reached")?;
    for trial in search.trials() {
        writeln!(out, "{}", line(trial).trim_end())?;
    }
    let found = search.found();
    writeln!(out)?;
    match (found.rate, found.spread) {
        (Some(highest), Some((low, high))) => {
            writeln!(out, "highest rate that holds: {}/s", rate(highest))?;
            writeln!(
                out,
                "  {}, {}/s to {}/s reached{}",
                plural(found.runs, "run"),
                rate(low),
                rate(high),
                if found.confirmed {
                    ""
                } else {
                    ", not confirmed"
                }
            )?;
        }
        _ => writeln!(out, "no rate was found to hold")?,
    }
    if let Some((above, broke)) = found.above {
        writeln!(
            out,
            "  above it, at {}/s: {}",
            rate(above),
            broke.join("; ")
        )?;
    }
    Ok(())
}

fn line(trial: &Trial) -> String {
    let broke = match trial.broke.as_slice() {
        [] => "holds".to_owned(),
        broke => broke.join("; "),
    };
    format!(
        "{:>13}/s{:>15}/s  {broke}",
        rate(trial.rate),
        rate(trial.reached)
    )
}

pub fn render_found_json(search: &Search, objectives: &[Condition]) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "null".to_owned(), |v| v.to_string());
    let list = |texts: &[String]| array(texts.iter().map(|text| quoted(text)));
    let found = search.found();
    let mut result = Object::new("\n  ");
    result
        .text("schema", "mozzie-bench-search/1")
        .text("mozzie", env!("CARGO_PKG_VERSION"))
        .raw(
            "slo",
            &array(objectives.iter().map(|one| quoted(&one.to_string()))),
        )
        .raw("rate", &number(found.rate))
        .raw("lowest_reached", &number(found.spread.map(|(low, _)| low)))
        .raw(
            "highest_reached",
            &number(found.spread.map(|(_, high)| high)),
        )
        .number("runs", found.runs as u64)
        .boolean("confirmed", found.confirmed);
    let (above, broke) = found.above.unzip();
    result
        .raw("above", &number(above))
        .raw("broke", &list(&broke.unwrap_or_default()));
    let trials = search.trials().iter().map(|trial| {
        let mut one = Object::new("");
        one.raw("rate", &number(Some(trial.rate)))
            .raw("reached", &number(Some(trial.reached)))
            .raw("broke", &list(&trial.broke));
        one.end()
    });
    result.raw("trials", &array(trials));
    let mut text = result.end();
    text.push('\n');
    text
}
