/** The exit code by which `READ_FILE` says that there is no such file. */
export const NO_SUCH_FILE = 44

/** `$1` to standard output. A file in a folder that may not be entered is an error: it may well be there. */
export const READ_FILE = `
[ -e "$1" ] && exec cat -- "$1"
folder=$(dirname -- "$1")
if [ -d "$folder" ] && [ ! -x "$folder" ]; then
  echo "$folder: Permission denied" >&2
  exit 1
fi
exit ${NO_SUCH_FILE}
`

/**
 * Standard input to `$1`, with mode `$2`, owner `$3` (empty: unchanged) and exactly `$4` bytes.
 *
 * The bytes are counted because a cut connection looks like the end of the input. The new file is on the disk before it
 * takes the old one's name, so that after a power cut there is one or the other.
 */
export const WRITE_FILE = `
set -eu
folder=$(dirname -- "$1")
fresh=$(mktemp -- "$folder/.cw-XXXXXXXXXX")
trap 'rm -f -- "$fresh"' EXIT
trap 'exit 1' HUP INT TERM
cat > "$fresh"
size=$(wc -c < "$fresh")
if [ "$size" -ne "$4" ]; then
  echo "only $size of $4 bytes arrived" >&2
  exit 1
fi
[ -z "$3" ] || chown -- "$3" "$fresh"
chmod -- "$2" "$fresh"
sync -- "$fresh"
mv -fT -- "$fresh" "$1"
sync -- "$folder"
`
