/** Finds what a telephone number stands for (RFC 6116). */
export interface EnumService {
  /** Knows nothing but that a number is a user of ours: there is no sense in asking it about anything but tel URIs. */
  readonly isDefault?: true
  /**
   * @param number digits, perhaps with a + in front
   * @returns a URI; undefined if there is none, or nobody answers. Never rejects.
   */
  lookup(number: string): Promise<string | undefined>
}

/** Takes each number for a user of the home domain: what is done without any ENUM (`default_tel_uri_translation`). */
export function defaultEnum(homeDomain: string): EnumService {
  return { isDefault: true, lookup: async number => `sip:${number}@${homeDomain}` }
}
