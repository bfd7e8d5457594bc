# Completion of mozzie in elvish, also under the names of mosquitto's clients: mozzie itself says what may stand where.

use path
use re
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
    # elvish puts a candidate in place of the whole word, the --name= before a path included.
    var prefix = (put (re:find '^(?:--[^=]*=)?' $word)[text])
    var rest = (str:trim-prefix $word $prefix)
    var kind = $lines[0]
    if (eq $kind words) {
        for line $lines[1..] {
            var candidate help = (str:split &max=2 "\t" $line)
            edit:complex-candidate $candidate &display=(if (eq $help '') { put $candidate } else { put $candidate'  '$help })
        }
    } elif (eq $kind commands) {
        edit:complete-sudo sudo $rest
    } else {
        edit:complete-filename $rest | each {|found|
            if (or (eq $kind files) (path:is-dir &follow-symlink=$true $found[stem])) {
                edit:complex-candidate $prefix$found[stem] &code-suffix=$found[code-suffix] &display=$found[display]
            }
        }
    }
}

for name [mozzie mosquitto_pub mosquitto_sub mosquitto_rr] {
    set edit:completion:arg-completer[$name] = $-mozzie-complete~
}
