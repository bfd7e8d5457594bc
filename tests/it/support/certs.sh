# Makes every certificate and key the tests use, in the current folder. Run by support/certs.rs.
set -eu

authority() { # file subject
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.crt" \
        -days 3650 -subj "/CN=$2"
}

# `openssl x509` cannot set both dates before version 3.4; `openssl ca` always could.
sign() { # file extensions first-day last-day
    openssl ca -batch -notext -config ca.conf -in "$1.csr" -out "$1.crt" -extfile "$2" -startdate "$3" -enddate "$4"
}

request() { # file key subject
    openssl req -new -key "$2" -subj "/CN=$3" -out "$1.csr"
}

ec() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$1"; }

cat >ca.conf <<CONF
[ca]
default_ca = tests
[tests]
database = index
serial = serial
rand_serial = yes
new_certs_dir = .
certificate = ca.crt
private_key = ca.key
default_md = sha256
policy = policy
unique_subject = no
[policy]
commonName = supplied
CONF
: >index
long_ago=200101000000Z
last_year=210101000000Z
far_off=491231000000Z

authority ca "mozzie tests"
authority other-ca "some other authority"

echo "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1" >server.ext
echo "subjectAltName=DNS:other.example" >wrong-name.ext
echo "basicConstraints=CA:FALSE" >none.ext

for name in server expired wrong-name cn-only; do
    ec $name.key
    request $name $name.key localhost
done
sign server server.ext $long_ago $far_off
sign expired server.ext $long_ago $last_year
sign wrong-name wrong-name.ext $long_ago $far_off
sign cn-only none.ext $long_ago $far_off

# Client keys in every form people have them in; the passphrase is "sesame".
ec client-ec.key
openssl ec -in client-ec.key -out client-ec-sec1.key
openssl pkcs8 -topk8 -in client-ec.key -v2 aes256 -passout pass:sesame -out client-ec-encrypted.key
request client-ec client-ec.key alice
sign client-ec none.ext $long_ago $far_off

openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out client-rsa.key
openssl rsa -in client-rsa.key -traditional -out client-rsa-pkcs1.key
openssl rsa -in client-rsa.key -traditional -aes256 -passout pass:sesame -out client-rsa-traditional.key
request client-rsa client-rsa.key bob
sign client-rsa none.ext $long_ago $far_off

mkdir capath
cp ca.crt capath/
openssl rehash capath

printf 'sesame\n' >passphrase
printf 'wrong\n' >wrong-passphrase
printf 'this is not PEM\n' >garbage.pem
: >empty.pem
