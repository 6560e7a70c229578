import type { Impu } from '../ims/identity.ts'

/** A customer of the portal; the e-mail address names it. */
export interface Account {
  readonly email: string
  /** As the portal hashes it. */
  readonly passwordHash: string
  readonly fullName: string
  /** When it is to be deleted, Unix time in milliseconds; absent: never. */
  readonly expiresAt?: number
  /** What lets its owner set a new password. */
  readonly recovery?: { readonly token: string; readonly createdAt: number }
}

/** A number that a customer has, or may get. */
export interface Line {
  readonly uri: Impu
  /** E-mail address of the account; absent: it is free. */
  readonly owner?: string
  /** It is reached from the telephone network. */
  readonly isPstn: boolean
  /** It was asked for by name, and does not go to the pool when it is given back. */
  readonly isSpecified: boolean
  /** It is in the address book. */
  readonly isListed: boolean
}

/** Which numbers are put into the pool. */
export type PooledNumber = Pick<Line, 'uri' | 'isPstn'>

/**
 * Accounts of the portal and their numbers (interfaces.md §14).
 *
 * Consistency: an e-mail address has one account, and a number one owner, however many ask at the same time; a resolved promise
 * means that the change survives the death of the process.
 */
export interface AccountStore {
  /** `taken`: there is an account for the address. */
  createAccount(account: Account): Promise<'created' | 'taken'>
  getAccount(email: string): Promise<Account | undefined>
  /** Replaces an account. @returns false if there is none */
  replaceAccount(account: Account): Promise<boolean>
  /** Its lines are to be given back before. @returns false if there is none */
  removeAccount(email: string): Promise<boolean>
  /** Addresses of all accounts that expired before then, in no particular order. */
  expiredBefore(time: number): Promise<readonly string[]>

  /** Adds free numbers; those that are there already stay as they are. @returns how many are new */
  addNumbers(numbers: readonly PooledNumber[]): Promise<number>
  /** Gives a free number of the pool away; undefined if there is none. */
  allocate(owner: string, isPstn: boolean): Promise<Line | undefined>
  /** Gives this very number away, whether the pool has it or not. */
  take(owner: string, number: PooledNumber): Promise<Line | 'taken'>
  /** Takes a number back: to the pool, or, if it was asked for by name, away. @returns false if it is not theirs */
  giveBack(owner: string, uri: Impu): Promise<boolean>
  /** Whether a number is in the address book. @returns false if it is not theirs */
  list(owner: string, uri: Impu, isListed: boolean): Promise<boolean>
  /** Numbers of the telephone network first, then by number. */
  linesOf(owner: string): Promise<readonly Line[]>
  /** Lines in the address book, in no particular order. */
  listedLines(): AsyncIterable<readonly Line[]>
}

/** The order in which a customer sees lines. */
export function byNumber(a: Line, b: Line): number {
  return Number(b.isPstn) - Number(a.isPstn) || (a.uri < b.uri ? -1 : 1)
}
