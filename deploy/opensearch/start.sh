#!/usr/bin/env bash
# Start a real single-node OpenSearch on loopback from Maven artifacts; no Docker, no root.
#
#   start.sh [--port 9200] [--home DIR] [--owner PID] [--fetch]
#
# --port 0 lets the system choose. --home keeps the data (default: .opensearch/node in the project). --owner ends the
# node when that process ends. --fetch only gets the jars. The node runs in the foreground and logs to standard output.
#
# Environment: OPENSEARCH_CACHE (where jars are kept; default .opensearch in the project), OPENSEARCH_JAVA_HOME (a JDK;
# 21 or newer runs OpenSearch 3, 17 runs OpenSearch 2), OPENSEARCH_HEAP (default 512m), OPENSEARCH_JAVA_OPTS (further options for the JVM).
# Exit codes: 3 no usable JDK, 4 no Maven, 5 the jars could not be fetched.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${OPENSEARCH_CACHE:-$here/../../.opensearch}
heap=${OPENSEARCH_HEAP:-512m}
port=9200 home= owner=0 fetch=
while [ $# -gt 0 ]; do
  case $1 in
    --port) port=$2; shift 2 ;;
    --home) home=$2; shift 2 ;;
    --owner) owner=$2; shift 2 ;;
    --fetch) fetch=yes; shift ;;
    *) echo "start.sh: unknown argument $1" >&2; exit 2 ;;
  esac
done
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
home=${home:-$cache/node}

# The JDK's major version, or 0. Its compiler must be there: Node.java is run from source.
major() {
  [ -x "$1/bin/javac" ] || { echo 0; return; }
  sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release" 2>/dev/null | grep . || echo 0
}

best= best_major=0
if [ -n "${OPENSEARCH_JAVA_HOME:-}" ]; then
  best=$OPENSEARCH_JAVA_HOME best_major=$(major "$OPENSEARCH_JAVA_HOME")
else
  on_path=$(command -v javac || true)
  [ -z "$on_path" ] || on_path=$(dirname "$(dirname "$(readlink -f "$on_path")")")
  for jdk in "${JAVA_HOME:-}" "$on_path" /usr/lib/jvm/* /Library/Java/JavaVirtualMachines/*/Contents/Home; do
    [ -n "$jdk" ] || continue
    version=$(major "$jdk")
    if [ "$version" -gt "$best_major" ]; then best=$jdk best_major=$version; fi
  done
fi
if [ "$best_major" -lt 17 ]; then
  echo "start.sh: no JDK of version 17 or newer (21 or newer for OpenSearch 3). Install one or set OPENSEARCH_JAVA_HOME." >&2
  exit 3
fi
profile=() line=3 vector=(--add-modules=jdk.incubator.vector)
[ "$best_major" -ge 21 ] || { profile=(-P java17) line=2 vector=(); }
[ "$best_major" -lt 22 ] || vector+=(--enable-native-access=ALL-UNNAMED)

# Only a complete folder gets its final name, and the name carries the pom's content, so a changed pin is fetched anew.
lib=$cache/lib-$line-$(cksum < "$here/pom.xml" | cut -d' ' -f1)
if [ ! -d "$lib" ]; then
  command -v mvn > /dev/null || { echo "start.sh: no mvn on the PATH to fetch OpenSearch with." >&2; exit 4; }
  part=$lib.part-$$
  trap 'rm -rf "$part"' EXIT
  JAVA_HOME=$best mvn -q -B -f "$here/pom.xml" ${profile[@]+"${profile[@]}"} "-Dlib=$part" \
    org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies >&2 || {
      echo "start.sh: Maven could not fetch OpenSearch's jars (see above)." >&2; exit 5; }
  [ -d "$lib" ] || mv "$part" "$lib" # another start may have been faster; its folder is as good
  trap - EXIT
  rm -rf "$part"
fi
[ -z "$fetch" ] || { echo "$lib"; exit 0; }

mkdir -p "$home"
[ "$port" = 0 ] || echo "start.sh: OpenSearch will answer at http://127.0.0.1:$port (data in $home); Ctrl-C ends it." >&2
# shellcheck disable=SC2086 # options are words
exec "$best/bin/java" "-Xms$heap" "-Xmx$heap" ${vector[@]+"${vector[@]}"} -Djava.awt.headless=true \
  -Dlog4j2.disable.jmx=true ${OPENSEARCH_JAVA_OPTS:-} -cp "$lib/*" "$here/Node.java" "$home" "$port" "$owner"
