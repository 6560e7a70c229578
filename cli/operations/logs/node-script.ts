/** What a node sends in one go, in bytes. */
export const PAGE_BYTES = 64 * 1024

/** So much more than what has been read here may a node have sent. */
export const PAGES_AHEAD = 3

/**
 * Prints what the daemons of a node have logged, in order of time: their files, those that were rotated away, and the
 * journal of their units. Each line is `<microseconds> <source> <line>`.
 *
 * Arguments: from and until in milliseconds (until may be empty), follow (0 or 1), bytes of a page, pages ahead, then
 * units, `--`, then name and file of each log. For each page that has been read here, a line is sent to the script; it
 * goes on only as far as these allow, so that nobody holds more, however much a node has to say. When it follows,
 * `<microseconds> -` after each round says that all before that moment has been told; it is also what ends the script
 * once nobody listens any more.
 *
 * In all of it only whole, ordered streams are merged (`sort -m`), so that neither side needs room for them.
 */
export const LOG_SCRIPT = String.raw`
since=$1; until=$2; follow=$3; page=$4; ahead=$5; shift 5
units=; while [ "$1" != -- ]; do units="$units -u $1"; shift; done; shift
work=$(mktemp -d) || exit 1
trap 'kill "$rounds" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 0' HUP INT TERM PIPE
of_journal='match($0, /"__REALTIME_TIMESTAMP" ?: ?"[0-9]+"/) {
  t = substr($0, RSTART, RLENGTH); gsub(/[^0-9]/, "", t); print t, "j", $0 }'
of_file='match($0, /"time":[0-9]+/) {
  t = substr($0, RSTART + 7, RLENGTH - 7)
  if (t + 0 >= since + 0 && (until == "" || t + 0 < until + 0)) print t "000", name, $0 }'

journal() {
  if [ -s "$work/cursor" ]; then from=; else from="--since=@$((since / 1000))"; fi
  journalctl -q --no-pager -o json --output-fields=MESSAGE,PRIORITY,_SYSTEMD_UNIT,UNIT $units $from \
    \${until:+"--until=@$(((until + 999) / 1000))"} --cursor-file="$work/cursor" 2>/dev/null | awk "$of_journal"
}

# What was added since the last round; in the first one the rotated files too.
file() {
  set -- "$1" "$2" $(stat -c '%i %s' "$2" 2>/dev/null); inode=$3; size=$4
  [ -n "$size" ] || return 0
  at=0
  if [ -f "$work/at.$1" ]; then
    read -r was at < "$work/at.$1"
    if [ "$was" != "$inode" ]; then
      [ "$(stat -c %i "$2.1" 2>/dev/null)" = "$was" ] && tail -c "+$((at + 1))" "$2.1"
      at=0
    fi
    [ "$size" -lt "$at" ] && at=0
  else
    for old in $(ls -tr "$2".* 2>/dev/null); do
      [ "$(stat -c %Y "$old")" -ge "$((since / 1000))" ] && zcat -f < "$old"
    done
  fi
  echo "$inode $size" > "$work/at.$1"
  tail -c "+$((at + 1))" "$2" | head -c "$((size - at))"
}

round() {
  rm -f "$work"/in.*
  mkfifo "$work/in.journal"; journal > "$work/in.journal" &
  while [ $# -gt 0 ]; do
    mkfifo "$work/in.$1"
    file "$1" "$2" | awk -v "name=$1" -v "since=$since" -v "until=$until" "$of_file" > "$work/in.$1" &
    shift 2
  done
  LC_ALL=C sort -m -s -n -k 1,1 "$work"/in.*
}

rounds() {
  while :; do
    now=$(date +%s%6N)
    round "$@"
    [ "$follow" = 1 ] || return 0
    echo "$now -" || return 0
    sleep 1
  done
}

mkfifo "$work/out"
rounds "$@" > "$work/out" &
rounds=$!
# dd hands on what is there and reads not a byte more; awk would wait for whole blocks.
exec 3< "$work/out" 4>&1
sent=0 allowed=$((page * ahead))
while :; do
  told=$({ dd "bs=$page" count=1 <&3 2>&1 >&4; } | sed -n 's/^\([0-9]*\) byte.*/\1/p')
  [ "\${told:-0}" -gt 0 ] || break
  sent=$((sent + told))
  while [ "$sent" -ge "$allowed" ]; do read -r credit || exit 0; allowed=$((allowed + page)); done
done
`.replaceAll(String.raw`\${`, '${')
