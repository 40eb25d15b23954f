// What the page keeps: the API key, the messages whose outcome is not known yet, and those that have not been sent.
//
// The first two are in the session storage of this tab. It survives a reload: a message in doubt that lost its key could be
// added twice. It ends with the tab and no other tab reads it: the API key is a credential, and messages may name people.

import type { MessageInput } from './api'

const API_KEY = 'api-key'
const PENDING = 'pending-message '

export const apiKey = {
  get: () => sessionStorage.getItem(API_KEY),
  set: (key: string) => sessionStorage.setItem(API_KEY, key),
  remove: () => sessionStorage.removeItem(API_KEY),
}

/** What has been written and not sent, by order. It outlives a visit to another page, and a key that is no longer accepted. */
export const drafts = new Map<number, MessageInput>()

/** A message that has been sent, or is about to be, and has not been confirmed. */
export interface PendingMessage {
  orderId: number
  /** The client that sent it: with another API key the same idempotency key would be a new one. */
  client: string
  idempotencyKey: string
  message: MessageInput
  /** Whether an attempt before the last one may have added it. */
  isInDoubt: boolean
  /** When it was sent last, in milliseconds. */
  sentAt: number
}

/** Stored before the message is sent: a key that is lost afterwards cannot be repeated. */
export function savePending(pending: PendingMessage): void {
  sessionStorage.setItem(PENDING + pending.orderId, JSON.stringify(pending))
}

export function removePending({ orderId }: PendingMessage): void {
  sessionStorage.removeItem(PENDING + orderId)
}

export function pendingMessage(orderId: number, client: string): PendingMessage | undefined {
  return pendingMessages(client).find((pending) => pending.orderId === orderId)
}

export function pendingMessages(client: string): PendingMessage[] {
  return Object.entries<string>(sessionStorage)
    .filter(([name]) => name.startsWith(PENDING))
    .map(([, value]) => JSON.parse(value) as PendingMessage)
    .filter((pending) => pending.client === client)
}

/** A new idempotency key. Not `crypto.randomUUID`, which needs https or a loopback address. */
export function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
