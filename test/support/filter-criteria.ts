/** When requests go to an application server; without a session case in all of them. */
export interface CriterionOptions {
  readonly method?: string
  readonly sessionCase?: number
  /** Further children of ApplicationServer, such as DefaultHandling. */
  readonly more?: string
}

/** An InitialFilterCriteria that sends INVITE, or another method, to a server. */
export function filterCriterion(server: string, options: CriterionOptions = {}): string {
  const { method = 'INVITE', sessionCase, more = '' } = options
  const inCase =
    sessionCase === undefined ? '' : `<SPT><Group>1</Group><SessionCase>${sessionCase}</SessionCase></SPT>`
  return (
    `<InitialFilterCriteria><TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF>` +
    `<SPT><Group>0</Group><Method>${method}</Method></SPT>${inCase}</TriggerPoint>` +
    `<ApplicationServer><ServerName>${server}</ServerName>${more}</ApplicationServer></InitialFilterCriteria>`
  )
}
