/** What a name has, as records of one type. */
export interface Records {
  readonly A: string
  readonly AAAA: string
  readonly SRV: SrvRecord
  readonly NAPTR: NaptrRecord
}

export type RecordType = keyof Records

/** The part of DNS that locating a server takes; the world's edge in a test. */
export interface DnsQueries {
  resolve4(name: string): Promise<readonly string[]>
  resolve6(name: string): Promise<readonly string[]>
  resolveSrv(name: string): Promise<readonly SrvRecord[]>
  resolveNaptr(name: string): Promise<readonly NaptrRecord[]>
}

export interface SrvRecord {
  readonly name: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

export interface NaptrRecord {
  readonly flags: string
  readonly service: string
  readonly regexp: string
  readonly replacement: string
  readonly order: number
  readonly preference: number
}
