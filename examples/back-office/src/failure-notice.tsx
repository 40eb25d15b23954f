// What went wrong, from the gateway's problem document, and what to do about it.

import type { ComponentChildren } from 'preact'

import { type Failure, type Problem, isInDoubt } from './api'
import { seconds, statusText } from './text'

/** What failed: reading, or one of the writes, which may have been applied although it failed. */
export type Operation = 'read' | 'status' | 'message'

interface Props {
  failure: Failure
  operation: Operation
  /** Whether an earlier attempt of the same write may have been applied, whatever became of this one. */
  wasInDoubt?: boolean
  /** Seconds within which a write may still be applied, for failures that do not state it. */
  settleTime?: number
  children?: ComponentChildren
}

export function FailureNotice({ failure, operation, wasInDoubt = false, settleTime, children }: Props) {
  return (
    <div class="notice bad">
      <div role="alert">
        <p>
          <strong>{failure.kind === 'problem' ? <English>{failure.problem.title}</English> : 'Inget svar kom fram'}</strong>
        </p>
        <p>{wasInDoubt || isInDoubt(failure) ? adviceInDoubt(failure, operation, settleTime) : advice(failure, operation)}</p>
      </div>
      {failure.kind === 'problem' && <ProblemDetails problem={failure.problem} page={failure.page} />}
      {children}
    </div>
  )
}

function ProblemDetails({ problem, page }: { problem: Problem; page: string }) {
  return (
    <>
      <p>
        <English>{problem.detail}</English>
      </p>
      {problem.errors && (
        <ul>
          {problem.errors.map(({ parameter, pointer, detail }) => (
            <li key={parameter ?? pointer}>
              <code>{parameter ?? pointer}</code> <English>{detail}</English>
            </li>
          ))}
        </ul>
      )}
      {problem.currentStatus && <p>Orderns status nu: {statusText(problem.currentStatus)}</p>}
      {problem.upstreamMessage && <p>Ordersystemets svar: ”{problem.upstreamMessage}”</p>}
      <p class="small">
        Ärende-id för support: <code>{problem.requestId}</code> · <a href={page}>Om felet (på engelska)</a>
      </p>
    </>
  )
}

/** The texts of problem documents are English: screen readers have to pronounce them so. */
function English({ children }: { children: ComponentChildren }) {
  return <span lang="en">{children}</span>
}

function advice(failure: Failure, operation: Operation): string {
  if (failure.kind === 'no-answer') return 'Kontrollera förbindelsen och försök igen.'
  const { status } = failure.problem
  if (status === 403) return 'Du har inte behörighet till detta. Be den som ansvarar för tjänsten om den.'
  const what = operation === 'read' ? '' : 'Ingenting ändrades. '
  const isTransient = failure.retryAfter !== undefined || status >= 500
  return `${what}${isTransient ? `${wait(failure)} och försök igen.` : 'Rätta det som felet gäller.'}`
}

function adviceInDoubt(failure: Failure, operation: Operation, settleTime?: number): string {
  switch (operation) {
    case 'read':
      return advice(failure, operation)
    case 'status':
      return `Ändringen kan ha gått igenom, eller göra det strax. ${wait(failure, settleTime)}, läs ordern igen och avgör sedan.`
    case 'message':
      return 'Meddelandet kan ha kommit fram, eller göra det strax. Skriv det inte en gång till.'
  }
}

function wait(failure: Failure, settleTime?: number): string {
  const time = (failure.kind === 'problem' ? failure.retryAfter : undefined) ?? settleTime
  return time === undefined ? 'Vänta en stund' : `Vänta ${seconds(time)}`
}
