// Swedish words for values of the API. Enums are open when read: an unknown value is shown as it is.

import type { MessageInput, StatusInput } from './api'

export const STATUSES: Record<StatusInput['status'], string> = {
  new: 'Ny',
  received: 'Mottagen',
  active: 'Aktiv',
  waiting: 'Väntar',
  cancelled: 'Avbruten',
  delivered: 'Levererad',
}

export const MESSAGE_TYPES: Record<MessageInput['type'], string> = {
  log: 'Anteckning',
  alert: 'Viktigt om ordern',
  error: 'Fel',
  system: 'Automatik',
}

export function statusText(status: string | undefined): string {
  return textOf(STATUSES, status) ?? 'Okänd'
}

export function messageTypeText(type: string | undefined): string | undefined {
  return textOf(MESSAGE_TYPES, type)
}

/** The entries of a table of words, with the type that its keys have. */
export function entries<K extends string>(table: Record<K, string>): [K, string][] {
  return Object.entries(table) as [K, string][]
}

export function seconds(count: number): string {
  return count === 1 ? '1 sekund' : `${count} sekunder`
}

function textOf(table: Record<string, string>, value: string | undefined): string | undefined {
  return value === undefined ? undefined : (table[value] ?? value)
}
