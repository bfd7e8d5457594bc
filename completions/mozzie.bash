# Completion of mozzie in bash, also under the names of mosquitto's clients: mozzie itself says what may stand where.

_mozzie() {
    local word line=${COMP_LINE:0:COMP_POINT} glued index last program prefix kind candidate
    local -a words=()
    COMPREPLY=()
    # bash parts words at = and :, which are parts of ours: what no blank parts is one word again.
    for ((index = 0; index <= COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        glued=$line
        line=${line#"${line%%[![:space:]]*}"}
        if [[ $index -gt 0 && $glued == "$line" && -n $glued ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        line=${line#"$word"}
    done
    last=$((${#words[@]} - 1))
    word=${words[last]}
    program=${words[0]/#\~\//"$HOME/"}
    [[ ${program##*/} == mozzie ]] || program=mozzie

    # readline puts what is chosen in place of the piece behind the last = or :.
    prefix=
    [[ $word == *[=:]* ]] && prefix=${word%"${word##*[=:]}"}
    {
        read -r kind || return
        case $kind in
            files) compopt -o default 2>/dev/null ;;
            folders) compopt -o dirnames 2>/dev/null ;;
            commands)
                while read -r candidate; do
                    COMPREPLY+=("$candidate")
                done < <(compgen -c -- "$word")
                ;;
            *)
                while IFS=$'\t' read -r candidate _; do
                    COMPREPLY+=("${candidate#"$prefix"}")
                done
                ;;
        esac
    } < <("$program" complete --word="$word" -- "${words[@]:0:last}" 2>/dev/null)
}

complete -F _mozzie mozzie mosquitto_pub mosquitto_sub mosquitto_rr
