import { parseXmlDocument, Node, type Element } from 'slimdom'

/** Why a text is not an XML document of ours; `message` is one line for the one who sent it. */
export interface XmlFailure {
  readonly ok: false
  readonly message: string
}

export interface XmlLimits {
  /** Longest text, in UTF-16 units. */
  readonly maxLength?: number
}

const MAX_LENGTH = 256 * 1024
/** No document of ours is nested deeper than a dozen elements. */
const MAX_DEPTH = 64

/**
 * Reads an XML document of bounded size and depth, without a document type declaration.
 *
 * @returns the root element, or why there is none
 */
export function parseXml(
  text: string,
  limits: XmlLimits = {},
): { readonly ok: true; readonly root: Element } | XmlFailure {
  const maxLength = limits.maxLength ?? MAX_LENGTH
  if (text.length > maxLength) return failure(`longer than ${maxLength} characters`)
  // Entities of a document's own serve nobody here but an attacker.
  if (text.includes('<!DOCTYPE')) return failure('a document type declaration is not accepted')
  try {
    const root = parseXmlDocument(text.startsWith('\uFEFF') ? text.slice(1) : text).documentElement
    if (root === null) return failure('no root element')
    if (nestsDeeperThan(root, MAX_DEPTH)) return failure(`nested deeper than ${MAX_DEPTH} elements`)
    return { ok: true, root }
  } catch (error) {
    return failure(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error))
  }
}

/** The child elements of a local name; the namespace does not matter (reading rule of all our documents). */
export function childrenNamed(parent: Element, localName: string): Element[] {
  return parent.children.filter(child => child.localName === localName)
}

export function childNamed(parent: Element, localName: string): Element | undefined {
  return parent.children.find(child => child.localName === localName)
}

/** The text of an element, CDATA included, without the white space around it. */
export function textOf(element: Element): string {
  return (element.textContent ?? '').trim()
}

/** Writes an element without namespaces: local names only, no declarations, no attributes of a foreign namespace. */
export function formatPlain(element: Element): string {
  let attributes = ''
  for (const attribute of element.attributes) {
    if (attribute.namespaceURI === null)
      attributes += ` ${attribute.localName}="${escapeXml(attribute.value)}"`
  }
  let content = ''
  for (const child of element.childNodes) {
    if (isElement(child)) content += formatPlain(child)
    else if (isText(child)) content += escapeXml(child.nodeValue ?? '')
  }
  const name = element.localName
  return content === '' ? `<${name}${attributes}/>` : `<${name}${attributes}>${content}</${name}>`
}

export function escapeXml(text: string): string {
  if (!/[&<>"\r]/.test(text)) return text
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\r', '&#13;')
}

function isElement(node: Node): node is Element {
  return node.nodeType === Node.ELEMENT_NODE
}

function isText(node: Node): boolean {
  return node.nodeType === Node.TEXT_NODE || node.nodeType === Node.CDATA_SECTION_NODE
}

/** Walks without recursion, since the depth of a hostile document is what would cost us the stack. */
function nestsDeeperThan(root: Element, max: number): boolean {
  let depth = 1
  let at = root
  for (;;) {
    const child = at.firstElementChild
    if (child !== null) {
      if (++depth > max) return true
      at = child
      continue
    }
    let next = at.nextElementSibling
    while (next === null) {
      const parent = at.parentElement
      if (at === root || parent === null) return false
      at = parent
      depth--
      next = at === root ? null : at.nextElementSibling
    }
    at = next
  }
}

function failure(message: string): XmlFailure {
  return { ok: false, message }
}
