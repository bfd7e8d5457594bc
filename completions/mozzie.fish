# Completion of mozzie in fish, also under the names of mosquitto's clients: mozzie itself says what may stand where.

function __mozzie_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l program $words[1]
    string match -q -r '(^|/)mozzie$' -- $program; or set program mozzie
    set -l lines ($program complete --word="$word" -- $words 2>/dev/null)
    set -l prefix (string match -r -- '^--[^=]*=' $word)
    set -l rest (string replace -r -- '^--[^=]*=' '' $word)
    switch "$lines[1]"
        case files
            for path in (__fish_complete_path "$rest")
                echo -- "$prefix$path"
            end
        case folders
            for path in (__fish_complete_directories "$rest" '')
                echo -- "$prefix$path"
            end
        case commands
            complete -C "$rest" | string match -v -- '*/'
        case words
            printf '%s\n' $lines[2..-1]
    end
end

for program in mozzie mosquitto_pub mosquitto_sub mosquitto_rr
    complete -c $program -e
    complete -c $program -f -k -a '(__mozzie_complete)'
end
