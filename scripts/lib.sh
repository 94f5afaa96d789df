# Sourced by the scripts that run fleets: a temporary directory $work, processes
# that end with the script, brokers.
source "$(dirname "${BASH_SOURCE[0]}")/await.sh"

mosquitto=${MOSQUITTO:-/usr/sbin/mosquitto}
[ -x "$mosquitto" ] || { echo "$mosquitto is missing: apt-get install mosquitto, or MOSQUITTO=PATH" >&2; exit 1; }
work=$(mktemp -d)
pids=()
cleanup() {
	kill "${pids[@]}" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

# build_sim builds ota-sim as it is released.
build_sim() { scripts/build.sh ota-sim "$work/ota-sim"; }

# start_mosquitto PORT [LINE...] starts a broker. Without these limits it would
# drop what waits for the platform.
start_mosquitto() {
	{
		printf '%s\n' "listener $1 127.0.0.1" 'allow_anonymous true' 'max_queued_messages 0' 'max_inflight_messages 0'
		[ $# -eq 1 ] || printf '%s\n' "${@:2}"
		[ "$(id -u)" -ne 0 ] || echo 'user root' # it must read the script's files
	} >"$work/mosquitto-$1.conf"
	"$mosquitto" -c "$work/mosquitto-$1.conf" >"$work/mosquitto-$1.log" 2>&1 &
	pids+=($!)
	await $! "$work/mosquitto-$1.log" listens "$1"
}

# start_mosquitto_tls PORT starts a broker with a certificate of an authority whose
# own is $work/ca.pem.
start_mosquitto_tls() {
	local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2)
	openssl req -x509 "${key[@]}" -subj '/CN=test authority' -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
	openssl req "${key[@]}" -x509 -CA "$work/ca.pem" -CAkey "$work/ca.key" -subj /CN=broker -addext subjectAltName=IP:127.0.0.1 \
		-addext basicConstraints=critical,CA:FALSE -keyout "$work/broker.key" -out "$work/broker.pem" 2>/dev/null
	start_mosquitto "$1" "certfile $work/broker.pem" "keyfile $work/broker.key"
}
