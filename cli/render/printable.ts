/** Text of nodes, peers and files as a terminal may have it: control characters, which could redraw it, are dots. */
export function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '·')
}

/** A whole screen: as `printable`, but for the colours that are painted on it. */
export function printableScreen(text: string): string {
  const parts = text.split(/(\u001b\[[\d;]*m)/)
  return parts.map((part, index) => (index % 2 === 1 ? part : printable(part))).join('')
}
