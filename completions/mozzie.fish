# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mozzie_global_optspecs
    string join \n help version
end

function __fish_mozzie_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mozzie_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mozzie_using_subcommand
    set -l cmd (__fish_mozzie_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mozzie -n "__fish_mozzie_needs_command" -l help -d 'Print help'
complete -c mozzie -n "__fish_mozzie_needs_command" -l version -d 'Print the version'
complete -c mozzie -n "__fish_mozzie_needs_command" -f -a "pub" -d 'Publish messages'
complete -c mozzie -n "__fish_mozzie_needs_command" -f -a "sub" -d 'In place of the messages'
complete -c mozzie -n "__fish_mozzie_needs_command" -f -a "rr" -d 'Send requests and print the replies, or answer requests'
complete -c mozzie -n "__fish_mozzie_needs_command" -f -a "bench" -d 'Load-test a broker'
complete -c mozzie -n "__fish_mozzie_needs_command" -f -a "broker" -d 'Run a broker on this machine'
complete -c mozzie -n "__fish_mozzie_needs_command" -f -a "profile" -d '`mozzie profile`'
complete -c mozzie -n "__fish_mozzie_needs_command" -f -a "link" -d 'Make links by whose names mozzie is mosquitto_pub, mosquitto_sub and mosquitto_rr'
complete -c mozzie -n "__fish_mozzie_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c mozzie -n "__fish_mozzie_needs_command" -f -a "man" -d 'Write the man pages into a folder'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s t -l topic -d 'Topic to publish to' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s q -l qos -d 'Quality of service: 0, 1 or 2 [default: 0, or that of each JSON line]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l repeat -d 'Publish the message this many times (with -m, -f, -n or -s)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l repeat-delay -d 'Wait this long after a message is acknowledged before it is repeated' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s m -l message -d 'Publish this text' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s f -l file -d 'Publish the whole file as one message' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l topic-separator -d 'Publish lines of a topic, this text and a payload; its first occurrence counts' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l delimiter -d 'End records with this text in place of a newline; \\0 \\n \\r \\t \\xNN and \\\\ are understood, here and in --topic-separator' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l topic-map -d 'Change the topics of records: \'FILTER => TOPIC\', with + and # on the right for what they matched on the left, in order. May be repeated: the first that matches counts, and what none matches keeps its topic' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l timeout -d 'Give up when not all messages are acknowledged after this time' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l unsent -d 'Append every message that is not acknowledged to this file, for \'pub --json-lines < FILE\'' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l drain -d 'After SIGINT or SIGTERM, wait this long for the acknowledgement of what was read' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s h -l host -d 'Host name or address of the broker [default: localhost]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s p -l port -d 'Port of the broker [default: 1883, with TLS 8883]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s L -l url -d 'Broker, login and topic at once: mqtt[s]://[user[:password]@]host[:port][/topic], also ws[s]://' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l unix -d 'Connect to a Unix domain socket' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s A -l bind -d 'Connect from this local address, or from that of a name' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l wait-for-broker -d 'Keep trying to make the first connection for this long' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l connect-timeout -d 'Give up when one step of connecting takes longer: TCP, proxy, TLS, WebSocket, login' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s u -l username -d 'User name' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s P -l password -l pw -d 'Password; others on this machine can read it: prefer one of the next three, or MOZZIE_PASSWORD' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l password-file -d 'Read the password from the first line of this file (\'-\' for stdin)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l password-command -d 'Take the password from the first line that this command prints' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s i -l id -d 'Client identifier (default: the broker chooses)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s I -l id-prefix -d 'Client identifier made of this prefix and the process id' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s V -l protocol-version -d 'Protocol version: 31, 311 or 5 [default: 311, for rr 5; 5 when an option needs it]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s k -l keepalive -d 'Seconds of silence after which the connection is checked; 0 for never' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s x -l session-expiry-interval -d 'Seconds that the broker keeps the session, -1 for ever (MQTT 5)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s M -l max-inflight -d 'QoS 1 and 2 messages in flight at once; 0 for as many as the broker takes' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s D -l property -d 'Add an MQTT 5 property: COMMAND NAME VALUE, or COMMAND user-property NAME VALUE' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l cafile -d 'Trust the certificate authorities in this PEM file' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l capath -d 'Trust the certificate authorities in the PEM files of this folder' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l cert -d 'Show this client certificate (PEM, with its chain)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l key -d 'Private key of the client certificate (PEM: PKCS#8, PKCS#1, SEC1, also encrypted)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l key-password -d 'Passphrase of an encrypted key; others on this machine can read it: prefer one of the next three, or MOZZIE_KEY_PASSWORD' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l key-password-file -d 'Read the passphrase from the first line of this file (\'-\' for stdin)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l key-password-command -d 'Take the passphrase from the first line that this command prints' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l tls-server-name -d 'Expect this name in the broker\'s certificate, and send it (default: the host)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l tls-alpn -d 'Offer these application protocols, such as mqtt' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l tls-version -d 'Use only this version of TLS [possible values: tlsv1.2, tlsv1.3]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l ciphers -d 'Offer only these cipher suites (OpenSSL or IANA names, separated by \':\')' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l keyform -d 'Form of the private key [possible values: pem]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l tls-engine -d 'OpenSSL engine that holds the key' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l psk -d 'Pre-shared key in hexadecimal' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l psk-identity -d 'Name that belongs to the pre-shared key' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l tls-keylog -d 'Append the session keys to this file, for Wireshark' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l ws-path -d 'Path of the WebSocket; turns WebSocket on [default: /mqtt]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l ws-header -d 'Send this header when opening the WebSocket; turns WebSocket on; may be repeated' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l proxy -d 'Connect through a proxy: socks5h://, socks5:// or http://[user:password@]host[:port]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l will-topic -d 'Topic of the will' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l will-payload -d 'Payload of the will (default: empty)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l will-qos -d 'Quality of service of the will (default: 0)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l retry -d 'Connect again: so many attempts in a row without success, \'forever\', or 0 for none' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l retry-delay -d 'Pause before the first attempt, then twice as long each time, less up to half by chance [default: 200ms]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l retry-max-delay -d 'Longest pause between attempts [default: 10s]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l profile -d 'Take the options that are not given here from this profile, see \'mozzie profile --help\'; \'none\' for no profile at all' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l topic-prefix -d 'Put this before every topic and filter of the command line' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s o -l options-file -d 'Read more options from this file, one a line; those typed here count more' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s r -l retain -d 'Ask the broker to retain the message'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s s -l stdin-file -d 'Publish all of stdin as one message'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s l -l stdin-line -d 'Publish each line of stdin as a message, as it comes'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s n -l null-message -d 'Publish an empty message'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l json-lines -d 'Publish what \'sub --json\' printed, one message a line, in MQTT 5 unless -V says otherwise. -t, -q, -r and -D publish go before what a line says'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l skip-bad -d 'Go on after a record that is no message, and say at the end how many there were; otherwise the first ends it, with exit 1, when what came before is acknowledged'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s S -l srv -d 'Find the broker by the SRV records of the host, a domain: _mqtt._tcp or, with TLS, _secure-mqtt._tcp'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l password-prompt -d 'Ask for the password on the terminal'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s c -l disable-clean-session -d 'Keep the session at the broker when disconnected; needs -i before MQTT 5'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l tls-use-os-certs -d 'Trust the system\'s certificate authorities (the default when none are given)'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l key-password-prompt -d 'Ask for the passphrase on the terminal'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l insecure -d 'Do not verify the broker\'s certificate at all'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l no-tls -d 'Use no TLS, not even on port 8883'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l ws -d 'Use MQTT over WebSocket'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l nodelay -d 'Send small packets at once (TCP_NODELAY); always on, accepted for mosquitto\'s sake'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l will-retain -d 'Make the will a retained message'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l show-config -d 'Print what the connection would be made with, and where each value comes from; connect to nobody'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -s d -l debug -d 'Show every packet, both ways, on stderr'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l quiet -d 'Print no warnings and no errors but those of the command line'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l json-errors -d 'Print warnings and errors as JSON objects, one a line'
complete -c mozzie -n "__fish_mozzie_using_subcommand pub" -l help -d 'Print help'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s t -l topic -d 'Topic filter to subscribe to; may be repeated' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s T -l filter-out -d 'Do not print messages whose topic matches this filter; may be repeated' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l random-filter -d 'Print only this share of the messages, chosen by chance' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s U -l unsubscribe -d 'Unsubscribe from this filter, after subscribing; may be repeated' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s q -l qos -d 'Highest quality of service to receive with: 0, 1 or 2' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s C -l count -d 'End after this many messages' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s W -l timeout -d 'End after this time; exit 6 when what was asked for has not arrived by then: the messages of -C, or without it any at all' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l idle-timeout -d 'End when nothing has come for this time; exit 6 as with -W' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l retain-handling -d 'When the broker sends retained messages: on every subscribe, only a new one, or never (MQTT 5)' -r -f -a "always\t''
new\t''
never\t''"
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l json -d 'Print each message as one JSON object a line' -r -f -a "text\t'As a string, or in base64 when it is not UTF-8'
parsed\t'As the JSON value that it is, digit for digit; other payloads as with \'text\''"
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s F -l format -d 'Print each message in this form: %t topic, %p payload, %q QoS, %I time, %j JSON, ...' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l append -d 'Append messages to this file, and acknowledge those of QoS 1 and 2 when they are written' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l output-dir -d 'Write each message to a file of its own in this folder, and acknowledge it when that is complete' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l output-name -d 'Names of the files, in the form of -F [default: %t]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l exec -d 'Run this command for each message, and acknowledge it when the command has ended with 0' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l jobs -d 'Commands that may run at once [default: 1]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l on-error -d 'What to do when a command fails [default: stop]' -r -f -a "retry\t'Run it again, after pauses of 1 s that grow to 60 s'
skip\t'Acknowledge the message and go on; exit 1 at the end'
stop\t'Take no more messages, and exit 1; the message is not acknowledged'
leave\t'Go on; the broker sends the message again on the next connection of this session'"
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s h -l host -d 'Host name or address of the broker [default: localhost]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s p -l port -d 'Port of the broker [default: 1883, with TLS 8883]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s L -l url -d 'Broker, login and topic at once: mqtt[s]://[user[:password]@]host[:port][/topic], also ws[s]://' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l unix -d 'Connect to a Unix domain socket' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s A -l bind -d 'Connect from this local address, or from that of a name' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l wait-for-broker -d 'Keep trying to make the first connection for this long' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l connect-timeout -d 'Give up when one step of connecting takes longer: TCP, proxy, TLS, WebSocket, login' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s u -l username -d 'User name' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s P -l password -l pw -d 'Password; others on this machine can read it: prefer one of the next three, or MOZZIE_PASSWORD' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l password-file -d 'Read the password from the first line of this file (\'-\' for stdin)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l password-command -d 'Take the password from the first line that this command prints' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s i -l id -d 'Client identifier (default: the broker chooses)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s I -l id-prefix -d 'Client identifier made of this prefix and the process id' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s V -l protocol-version -d 'Protocol version: 31, 311 or 5 [default: 311, for rr 5; 5 when an option needs it]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s k -l keepalive -d 'Seconds of silence after which the connection is checked; 0 for never' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s x -l session-expiry-interval -d 'Seconds that the broker keeps the session, -1 for ever (MQTT 5)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s M -l max-inflight -d 'QoS 1 and 2 messages in flight at once; 0 for as many as the broker takes' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s D -l property -d 'Add an MQTT 5 property: COMMAND NAME VALUE, or COMMAND user-property NAME VALUE' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l cafile -d 'Trust the certificate authorities in this PEM file' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l capath -d 'Trust the certificate authorities in the PEM files of this folder' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l cert -d 'Show this client certificate (PEM, with its chain)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l key -d 'Private key of the client certificate (PEM: PKCS#8, PKCS#1, SEC1, also encrypted)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l key-password -d 'Passphrase of an encrypted key; others on this machine can read it: prefer one of the next three, or MOZZIE_KEY_PASSWORD' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l key-password-file -d 'Read the passphrase from the first line of this file (\'-\' for stdin)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l key-password-command -d 'Take the passphrase from the first line that this command prints' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l tls-server-name -d 'Expect this name in the broker\'s certificate, and send it (default: the host)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l tls-alpn -d 'Offer these application protocols, such as mqtt' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l tls-version -d 'Use only this version of TLS [possible values: tlsv1.2, tlsv1.3]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l ciphers -d 'Offer only these cipher suites (OpenSSL or IANA names, separated by \':\')' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l keyform -d 'Form of the private key [possible values: pem]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l tls-engine -d 'OpenSSL engine that holds the key' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l psk -d 'Pre-shared key in hexadecimal' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l psk-identity -d 'Name that belongs to the pre-shared key' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l tls-keylog -d 'Append the session keys to this file, for Wireshark' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l ws-path -d 'Path of the WebSocket; turns WebSocket on [default: /mqtt]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l ws-header -d 'Send this header when opening the WebSocket; turns WebSocket on; may be repeated' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l proxy -d 'Connect through a proxy: socks5h://, socks5:// or http://[user:password@]host[:port]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l will-topic -d 'Topic of the will' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l will-payload -d 'Payload of the will (default: empty)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l will-qos -d 'Quality of service of the will (default: 0)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l retry -d 'Connect again: so many attempts in a row without success, \'forever\', or 0 for none' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l retry-delay -d 'Pause before the first attempt, then twice as long each time, less up to half by chance [default: 200ms]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l retry-max-delay -d 'Longest pause between attempts [default: 10s]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l profile -d 'Take the options that are not given here from this profile, see \'mozzie profile --help\'; \'none\' for no profile at all' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l topic-prefix -d 'Put this before every topic and filter of the command line' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s o -l options-file -d 'Read more options from this file, one a line; those typed here count more' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l strict -d 'End with 5 when the broker refuses any of the subscriptions, not only when it refuses all'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l no-local -d 'Do not receive what this connection publishes itself (MQTT 5)'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s E -l exit-after-suback -d 'End when the broker has answered the subscriptions'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s R -l no-retained -d 'Do not print retained messages'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l retained-only -d 'Print only retained messages, and end when they have all come: when none has come for the time of --idle-timeout, half a second if not given, and the broker answers a ping'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l remove-retained -d 'Remove each retained message that comes from the broker'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l retain-as-published -d 'Show the retain flag as the publisher set it (MQTT 5)'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s v -l verbose -d 'Print the topic and a space before each payload'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s N -l no-newline -d 'Print no newline after a payload'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l pretty -d 'Spread JSON (--json, %j, %J) over lines, indented with tabs'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s w -l watch -d 'Show the topics as a live table on the terminal: last value, count, rate, age, and whether it is retained'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l message-rate -d 'Print how many messages came in each second'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s S -l srv -d 'Find the broker by the SRV records of the host, a domain: _mqtt._tcp or, with TLS, _secure-mqtt._tcp'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l password-prompt -d 'Ask for the password on the terminal'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s c -l disable-clean-session -d 'Keep the session at the broker when disconnected; needs -i before MQTT 5'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l tls-use-os-certs -d 'Trust the system\'s certificate authorities (the default when none are given)'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l key-password-prompt -d 'Ask for the passphrase on the terminal'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l insecure -d 'Do not verify the broker\'s certificate at all'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l no-tls -d 'Use no TLS, not even on port 8883'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l ws -d 'Use MQTT over WebSocket'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l nodelay -d 'Send small packets at once (TCP_NODELAY); always on, accepted for mosquitto\'s sake'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l will-retain -d 'Make the will a retained message'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l show-config -d 'Print what the connection would be made with, and where each value comes from; connect to nobody'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -s d -l debug -d 'Show every packet, both ways, on stderr'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l quiet -d 'Print no warnings and no errors but those of the command line'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l json-errors -d 'Print warnings and errors as JSON objects, one a line'
complete -c mozzie -n "__fish_mozzie_using_subcommand sub" -l help -d 'Print help'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s t -l topic -d 'Topic to send requests to; with --serve the filter to take them from, which may be repeated' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s e -l response-topic -d 'Topic for the replies [default: a random one below mozzie/rr/]; with --serve the one for requests that name none' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s q -l qos -d 'Quality of service of requests and replies: 0, 1 or 2' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s W -l timeout -d 'Wait this long for the replies to a request; exit 6 when one is missing. With --serve: end after this time' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s m -l message -d 'Publish this text' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s f -l file -d 'Publish the whole file as one message' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l replies -d 'Wait for this many replies to each request' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l window -d 'Requests of -l that may wait for their replies at once; replies are printed as they come, with 1 in the order of the requests' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l exec -d 'Command that makes the reply of a request: payload on its stdin, reply on its stdout' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l jobs -d 'Commands that may run at once' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s C -l count -d 'End after this many requests' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l json -d 'Print each message as one JSON object a line' -r -f -a "text\t'As a string, or in base64 when it is not UTF-8'
parsed\t'As the JSON value that it is, digit for digit; other payloads as with \'text\''"
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s F -l format -d 'Print each message in this form: %t topic, %p payload, %q QoS, %I time, %j JSON, ...' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s h -l host -d 'Host name or address of the broker [default: localhost]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s p -l port -d 'Port of the broker [default: 1883, with TLS 8883]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s L -l url -d 'Broker, login and topic at once: mqtt[s]://[user[:password]@]host[:port][/topic], also ws[s]://' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l unix -d 'Connect to a Unix domain socket' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s A -l bind -d 'Connect from this local address, or from that of a name' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l wait-for-broker -d 'Keep trying to make the first connection for this long' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l connect-timeout -d 'Give up when one step of connecting takes longer: TCP, proxy, TLS, WebSocket, login' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s u -l username -d 'User name' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s P -l password -l pw -d 'Password; others on this machine can read it: prefer one of the next three, or MOZZIE_PASSWORD' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l password-file -d 'Read the password from the first line of this file (\'-\' for stdin)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l password-command -d 'Take the password from the first line that this command prints' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s i -l id -d 'Client identifier (default: the broker chooses)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s I -l id-prefix -d 'Client identifier made of this prefix and the process id' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s V -l protocol-version -d 'Protocol version: 31, 311 or 5 [default: 311, for rr 5; 5 when an option needs it]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s k -l keepalive -d 'Seconds of silence after which the connection is checked; 0 for never' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s x -l session-expiry-interval -d 'Seconds that the broker keeps the session, -1 for ever (MQTT 5)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s M -l max-inflight -d 'QoS 1 and 2 messages in flight at once; 0 for as many as the broker takes' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s D -l property -d 'Add an MQTT 5 property: COMMAND NAME VALUE, or COMMAND user-property NAME VALUE' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l cafile -d 'Trust the certificate authorities in this PEM file' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l capath -d 'Trust the certificate authorities in the PEM files of this folder' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l cert -d 'Show this client certificate (PEM, with its chain)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l key -d 'Private key of the client certificate (PEM: PKCS#8, PKCS#1, SEC1, also encrypted)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l key-password -d 'Passphrase of an encrypted key; others on this machine can read it: prefer one of the next three, or MOZZIE_KEY_PASSWORD' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l key-password-file -d 'Read the passphrase from the first line of this file (\'-\' for stdin)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l key-password-command -d 'Take the passphrase from the first line that this command prints' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l tls-server-name -d 'Expect this name in the broker\'s certificate, and send it (default: the host)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l tls-alpn -d 'Offer these application protocols, such as mqtt' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l tls-version -d 'Use only this version of TLS [possible values: tlsv1.2, tlsv1.3]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l ciphers -d 'Offer only these cipher suites (OpenSSL or IANA names, separated by \':\')' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l keyform -d 'Form of the private key [possible values: pem]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l tls-engine -d 'OpenSSL engine that holds the key' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l psk -d 'Pre-shared key in hexadecimal' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l psk-identity -d 'Name that belongs to the pre-shared key' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l tls-keylog -d 'Append the session keys to this file, for Wireshark' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l ws-path -d 'Path of the WebSocket; turns WebSocket on [default: /mqtt]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l ws-header -d 'Send this header when opening the WebSocket; turns WebSocket on; may be repeated' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l proxy -d 'Connect through a proxy: socks5h://, socks5:// or http://[user:password@]host[:port]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l will-topic -d 'Topic of the will' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l will-payload -d 'Payload of the will (default: empty)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l will-qos -d 'Quality of service of the will (default: 0)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l retry -d 'Connect again: so many attempts in a row without success, \'forever\', or 0 for none' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l retry-delay -d 'Pause before the first attempt, then twice as long each time, less up to half by chance [default: 200ms]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l retry-max-delay -d 'Longest pause between attempts [default: 10s]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l profile -d 'Take the options that are not given here from this profile, see \'mozzie profile --help\'; \'none\' for no profile at all' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l topic-prefix -d 'Put this before every topic and filter of the command line' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s o -l options-file -d 'Read more options from this file, one a line; those typed here count more' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s s -l stdin-file -d 'Publish all of stdin as one message'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s l -l stdin-line -d 'Publish each line of stdin as a message, as it comes'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s n -l null-message -d 'Publish an empty message'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l latency -d 'Say on stderr how long each reply took'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s R -l no-retained -d 'Ignore retained messages; always on, accepted for mosquitto\'s sake'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l serve -d 'Answer requests instead of sending them'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s v -l verbose -d 'Print the topic and a space before each payload'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s N -l no-newline -d 'Print no newline after a payload'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l pretty -d 'Spread JSON (--json, %j, %J) over lines, indented with tabs'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s S -l srv -d 'Find the broker by the SRV records of the host, a domain: _mqtt._tcp or, with TLS, _secure-mqtt._tcp'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l password-prompt -d 'Ask for the password on the terminal'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s c -l disable-clean-session -d 'Keep the session at the broker when disconnected; needs -i before MQTT 5'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l tls-use-os-certs -d 'Trust the system\'s certificate authorities (the default when none are given)'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l key-password-prompt -d 'Ask for the passphrase on the terminal'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l insecure -d 'Do not verify the broker\'s certificate at all'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l no-tls -d 'Use no TLS, not even on port 8883'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l ws -d 'Use MQTT over WebSocket'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l nodelay -d 'Send small packets at once (TCP_NODELAY); always on, accepted for mosquitto\'s sake'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l will-retain -d 'Make the will a retained message'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l show-config -d 'Print what the connection would be made with, and where each value comes from; connect to nobody'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -s d -l debug -d 'Show every packet, both ways, on stderr'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l quiet -d 'Print no warnings and no errors but those of the command line'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l json-errors -d 'Print warnings and errors as JSON objects, one a line'
complete -c mozzie -n "__fish_mozzie_using_subcommand rr" -l help -d 'Print help'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l shape -d 'Usual load of so many clients: one-to-one, fan-in, fan-out, shared or connections, such as fan-in:500' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l publishers -d 'Connections that publish [default: 1, with --idle alone 0]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l subscribers -d 'Connections that subscribe [default: 1, with --idle alone 0]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l idle -d 'Connections that do nothing but stay' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s q -l qos -d 'Quality of service of publishers and subscribers: 0, 1 or 2' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l publish-qos -d 'Quality of service of publishers alone' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l subscribe-qos -d 'Quality of service of subscribers alone' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s n -l messages -d 'Publish this many messages in all' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l duration -d 'Publish for this long [default: 10s without -n]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l warmup -d 'Before that, publish for this long without counting it for rates and latencies' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l drain -d 'Wait this long for messages that are due but do not come' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l workers -d 'Threads that make the load [default: one for each core]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s t -l topic -d 'Topic to publish to; may be repeated, publishers share them out. With {i} in it each publisher has its own [default: mozzie/bench/ and a random number]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l filter -d 'What every subscriber asks for; may be repeated [default: the topics, shared out if there are several for each subscriber]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l shared -d 'Subscribers share their subscriptions in this group: each message goes to one of them' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l rate -d 'Open loop: publish so much over all publishers, however slow the broker is, such as 50k/s or 30/min [default: as fast as -M and the socket allow]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l ramp -d 'Open loop whose rate rises or falls evenly and then stays, such as \'0..100k over 60s\'' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l arrivals -d 'How an open loop\'s messages are spread over the time' -r -f -a "constant\t'At equal distances'
poisson\t'At random, independent of each other'"
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l burst -d 'Messages that a publisher publishes at once in an open loop, at the same rate in all' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l size -d 'Bytes: one size, a range such as 16..1k, or several with weights such as 64:90,16k:10. From 16 on each message carries a stamp by which loss, repeats and latency are known' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s m -l message -d 'This text, a template; it carries no stamp, so messages are only counted' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s f -l file -d 'This file; it carries no stamp' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l payload-from -d 'Messages recorded with `sub --json`, with their topics, again and again; they carry no stamp' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l connect-rate -d 'Make so many connections a second at most' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l source-ip -d 'Connect from these local addresses in turn: 10.0.0.1,10.0.0.5-9,10.0.1.0/24' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l credentials -d 'User names and passwords in turn from the lines of this file: [client identifier,]user,password' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l churn -d 'While publishing, end so many connections and make them again' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l slow-subscriber -d 'Subscribers wait this long after each time they have read' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l tls-resumption -d 'Whether TLS sessions are resumed when connections are made again' -r -f -a "on\t''
off\t''"
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l slo -d 'What must hold, with commas between: \'p99 < 50ms, lost = 0\'' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l self-test -d 'Load a built-in peer over plain TCP in place of a broker, as fast as it goes: this machine\'s ceiling. With =first so for two seconds, and then the broker' -r -f -a "only\t'The built-in peer alone'
first\t'The built-in peer, then the broker'"
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l json -d 'Write the whole result as JSON: into a file, or in place of the text' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l csv -d 'Write a row of CSV a second into a file' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l hdr -d 'Write the latencies of each second into a file, as HdrHistogram\'s interval log' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l fail-if -d 'End with 8 if a figure of the JSON result is like this, such as \'p99 > 20ms\', \'lost > 0\' or \'rate < 50k\'; may be repeated' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l baseline -d 'End with 8 if the run is worse than an earlier one, whose JSON result this file is' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l max-change -d 'How much worse than the baseline it may be' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s h -l host -d 'Host name or address of the broker [default: localhost]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s p -l port -d 'Port of the broker [default: 1883, with TLS 8883]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s L -l url -d 'Broker, login and topic at once: mqtt[s]://[user[:password]@]host[:port][/topic], also ws[s]://' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l unix -d 'Connect to a Unix domain socket' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s A -l bind -d 'Connect from this local address, or from that of a name' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l wait-for-broker -d 'Keep trying to make the first connection for this long' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l connect-timeout -d 'Give up when one step of connecting takes longer: TCP, proxy, TLS, WebSocket, login' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s u -l username -d 'User name' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s P -l password -l pw -d 'Password; others on this machine can read it: prefer one of the next three, or MOZZIE_PASSWORD' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l password-file -d 'Read the password from the first line of this file (\'-\' for stdin)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l password-command -d 'Take the password from the first line that this command prints' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s i -l id -d 'Client identifier (default: the broker chooses)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s I -l id-prefix -d 'Client identifier made of this prefix and the process id' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s V -l protocol-version -d 'Protocol version: 31, 311 or 5 [default: 311, for rr 5; 5 when an option needs it]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s k -l keepalive -d 'Seconds of silence after which the connection is checked; 0 for never' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s x -l session-expiry-interval -d 'Seconds that the broker keeps the session, -1 for ever (MQTT 5)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s M -l max-inflight -d 'QoS 1 and 2 messages in flight at once; 0 for as many as the broker takes' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s D -l property -d 'Add an MQTT 5 property: COMMAND NAME VALUE, or COMMAND user-property NAME VALUE' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l cafile -d 'Trust the certificate authorities in this PEM file' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l capath -d 'Trust the certificate authorities in the PEM files of this folder' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l cert -d 'Show this client certificate (PEM, with its chain)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l key -d 'Private key of the client certificate (PEM: PKCS#8, PKCS#1, SEC1, also encrypted)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l key-password -d 'Passphrase of an encrypted key; others on this machine can read it: prefer one of the next three, or MOZZIE_KEY_PASSWORD' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l key-password-file -d 'Read the passphrase from the first line of this file (\'-\' for stdin)' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l key-password-command -d 'Take the passphrase from the first line that this command prints' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l tls-server-name -d 'Expect this name in the broker\'s certificate, and send it (default: the host)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l tls-alpn -d 'Offer these application protocols, such as mqtt' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l tls-version -d 'Use only this version of TLS [possible values: tlsv1.2, tlsv1.3]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l ciphers -d 'Offer only these cipher suites (OpenSSL or IANA names, separated by \':\')' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l keyform -d 'Form of the private key [possible values: pem]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l tls-engine -d 'OpenSSL engine that holds the key' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l tls-engine-kpass-sha1 -d 'SHA-1 of the engine\'s key password' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l psk -d 'Pre-shared key in hexadecimal' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l psk-identity -d 'Name that belongs to the pre-shared key' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l tls-keylog -d 'Append the session keys to this file, for Wireshark' -r -F
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l ws-path -d 'Path of the WebSocket; turns WebSocket on [default: /mqtt]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l ws-header -d 'Send this header when opening the WebSocket; turns WebSocket on; may be repeated' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l proxy -d 'Connect through a proxy: socks5h://, socks5:// or http://[user:password@]host[:port]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l will-topic -d 'Topic of the will' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l will-payload -d 'Payload of the will (default: empty)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l will-qos -d 'Quality of service of the will (default: 0)' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l retry -d 'Connect again: so many attempts in a row without success, \'forever\', or 0 for none' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l retry-delay -d 'Pause before the first attempt, then twice as long each time, less up to half by chance [default: 200ms]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l retry-max-delay -d 'Longest pause between attempts [default: 10s]' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l profile -d 'Take the options that are not given here from this profile, see \'mozzie profile --help\'; \'none\' for no profile at all' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l topic-prefix -d 'Put this before every topic and filter of the command line' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l embedded -d 'Start a broker in this process and load that'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s r -l retain -d 'Ask the broker to retain the messages'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l topic-alias -d 'Publish with topic aliases as far as the broker takes them (MQTT 5)'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l reconnect -d 'Make broken connections again, after a second'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l churn-cut -d 'End them without DISCONNECT'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l find-max -d 'Search the highest rate at which --slo holds, with runs of --duration (5s) each, from --rate (1k) on'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s S -l srv -d 'Find the broker by the SRV records of the host, a domain: _mqtt._tcp or, with TLS, _secure-mqtt._tcp'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l password-prompt -d 'Ask for the password on the terminal'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -s c -l disable-clean-session -d 'Keep the session at the broker when disconnected; needs -i before MQTT 5'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l tls-use-os-certs -d 'Trust the system\'s certificate authorities (the default when none are given)'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l key-password-prompt -d 'Ask for the passphrase on the terminal'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l insecure -d 'Do not verify the broker\'s certificate at all'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l no-tls -d 'Use no TLS, not even on port 8883'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l ws -d 'Use MQTT over WebSocket'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l nodelay -d 'Send small packets at once (TCP_NODELAY); always on, accepted for mosquitto\'s sake'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l will-retain -d 'Make the will a retained message'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l show-config -d 'Print what the connection would be made with, and where each value comes from; connect to nobody'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l json-errors -d 'Print warnings and errors as JSON objects, one a line'
complete -c mozzie -n "__fish_mozzie_using_subcommand bench" -l help -d 'Print help'
complete -c mozzie -n "__fish_mozzie_using_subcommand broker" -s p -l port -d 'Port to listen on; 0 for a free one' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand broker" -l bind -d 'Address to listen on' -r
complete -c mozzie -n "__fish_mozzie_using_subcommand broker" -l json-errors -d 'Print warnings and errors as JSON objects, one a line'
complete -c mozzie -n "__fish_mozzie_using_subcommand broker" -l help -d 'Print help'
complete -c mozzie -n "__fish_mozzie_using_subcommand profile; and not __fish_seen_subcommand_from list show check" -l json-errors -d 'Print warnings and errors as JSON objects, one a line'
complete -c mozzie -n "__fish_mozzie_using_subcommand profile; and not __fish_seen_subcommand_from list show check" -l help -d 'Print help'
complete -c mozzie -n "__fish_mozzie_using_subcommand profile; and not __fish_seen_subcommand_from list show check" -f -a "list" -d 'Print the names of the profiles'
complete -c mozzie -n "__fish_mozzie_using_subcommand profile; and not __fish_seen_subcommand_from list show check" -f -a "show" -d 'Print the settings of a profile, without its secrets'
complete -c mozzie -n "__fish_mozzie_using_subcommand profile; and not __fish_seen_subcommand_from list show check" -f -a "check" -d 'Look for mistakes in the whole file'
complete -c mozzie -n "__fish_mozzie_using_subcommand profile; and __fish_seen_subcommand_from list" -l json-errors -d 'Print warnings and errors as JSON objects, one a line'
complete -c mozzie -n "__fish_mozzie_using_subcommand profile; and __fish_seen_subcommand_from list" -l help -d 'Print help'
complete -c mozzie -n "__fish_mozzie_using_subcommand profile; and __fish_seen_subcommand_from show" -l json-errors -d 'Print warnings and errors as JSON objects, one a line'
complete -c mozzie -n "__fish_mozzie_using_subcommand profile; and __fish_seen_subcommand_from show" -l help -d 'Print help'
complete -c mozzie -n "__fish_mozzie_using_subcommand profile; and __fish_seen_subcommand_from check" -l json-errors -d 'Print warnings and errors as JSON objects, one a line'
complete -c mozzie -n "__fish_mozzie_using_subcommand profile; and __fish_seen_subcommand_from check" -l help -d 'Print help'
complete -c mozzie -n "__fish_mozzie_using_subcommand link" -l force -d 'Replace files that are there already'
complete -c mozzie -n "__fish_mozzie_using_subcommand link" -l json-errors -d 'Print warnings and errors as JSON objects, one a line'
complete -c mozzie -n "__fish_mozzie_using_subcommand link" -l help -d 'Print help'
complete -c mozzie -n "__fish_mozzie_using_subcommand completions" -l json-errors -d 'Print warnings and errors as JSON objects, one a line'
complete -c mozzie -n "__fish_mozzie_using_subcommand completions" -l help -d 'Print help'
complete -c mozzie -n "__fish_mozzie_using_subcommand man" -l json-errors -d 'Print warnings and errors as JSON objects, one a line'
complete -c mozzie -n "__fish_mozzie_using_subcommand man" -l help -d 'Print help'
