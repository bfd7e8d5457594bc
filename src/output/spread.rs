//! JSON without white space between its tokens → the form of `--pretty`: one key a line behind tabs, a tab behind its
//! colon, arrays on one line.

/// Spreads what stands from `begin` on.
pub(super) fn spread(begin: usize, out: &mut Vec<u8>) {
    let line = out.split_off(begin);
    let new_line = |depth: usize, out: &mut Vec<u8>| {
        out.push(b'\n');
        out.resize(out.len() + depth, b'\t');
    };
    let mut containers = Vec::new();
    let mut in_string = false;
    let mut escaped = false;
    for (at, &byte) in line.iter().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            out.push(byte);
            continue;
        }
        match byte {
            b'{' | b'[' => {
                containers.push(byte);
                out.push(byte);
                let is_empty = line.get(at + 1) == Some(&b'}');
                if byte == b'{' && !is_empty {
                    new_line(containers.len(), out);
                }
            }
            b'}' => {
                containers.pop();
                if !out.ends_with(b"{") {
                    new_line(containers.len(), out);
                }
                out.push(byte);
            }
            b']' => {
                containers.pop();
                out.push(byte);
            }
            b',' if containers.last() == Some(&b'{') => {
                out.push(byte);
                new_line(containers.len(), out);
            }
            b',' => out.extend_from_slice(b", "),
            b':' => out.extend_from_slice(b":\t"),
            _ => {
                in_string = byte == b'"';
                out.push(byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pretty_is_one_key_a_line_behind_tabs() {
        let mut out = b"x ".to_vec();
        out.extend_from_slice(br#"{"a":{},"b":[1,{"c":"},{[\""},[]],"d":{"e":null}}"#);
        spread(2, &mut out);
        let wanted = [
            "x {",
            "\t\"a\":\t{},",
            "\t\"b\":\t[1, {",
            "\t\t\t\"c\":\t\"},{[\\\"\"",
            "\t\t}, []],",
            "\t\"d\":\t{",
            "\t\t\"e\":\tnull",
            "\t}",
            "}",
        ];
        assert_eq!(String::from_utf8(out).unwrap(), wanted.join("\n"));
    }
}
