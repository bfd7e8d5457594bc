# Completion of mozzie in elvish, also under the names of mosquitto's clients: mozzie itself says what may stand where.

use path
use str

fn -mozzie-complete {|@words|
    var program = mozzie
    if (eq (path:base $words[0]) mozzie) {
        set program = $words[0]
    }
    var word = $words[-1]
    var lines = [(try { (external $program) complete '--word='$word -- (all $words[..-1]) 2>/dev/null } catch _ { } | from-lines)]
    if (== (count $lines) 0) {
        return
    }
    if (or (eq $lines[0] files) (eq $lines[0] folders)) {
        edit:complete-filename $word
    } elif (eq $lines[0] words) {
        for line $lines[1..] {
            var candidate help = (str:split &max=2 "\t" $line)
            edit:complex-candidate $candidate &display=(if (eq $help '') { put $candidate } else { put $candidate'  '$help })
        }
    }
}

for name [mozzie mosquitto_pub mosquitto_sub mosquitto_rr] {
    set edit:completion:arg-completer[$name] = $-mozzie-complete~
}
