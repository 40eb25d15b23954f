// The API of the gateway: one function for each request that the page makes. Types come from the OpenAPI document.

import createClient from 'openapi-fetch'

import type { components, operations, paths } from './schema'
import { apiKey } from './storage'

type Schemas = components['schemas']
export type Me = Schemas['Me']
export type Order = Schemas['Order']
export type OrderList = Schemas['OrderList']
export type OrderQuery = operations['list_orders']['parameters']['query']
export type Message = Schemas['Message']
export type MessageInput = Schemas['MessageInput']
export type AddedMessage = Schemas['AddedMessage']
export type StatusInput = Schemas['StatusInput']
export type ChangedStatus = Schemas['ChangedStatus']
export type Problem = Schemas['Problem']

/** What became of a request. A failure is a value and not an exception, so that the compiler asks for every case. */
export type Answer<T> = { ok: true; data: T; headers: Headers } | { ok: false; failure: Failure }

export type Failure =
  /** The gateway says what is wrong, and for a write whether it was applied. */
  | { kind: 'problem'; problem: Problem; page: string; retryAfter: number | undefined }
  /** No complete answer of the gateway arrived. A write may have been applied all the same. */
  | { kind: 'no-answer' }

/** The page is one level below the API, under every base path and behind every proxy. */
const baseUrl = new URL('..', document.baseURI).href.replace(/\/$/, '')

/** More than `server.request_timeout` of the gateway (25 s): while that runs, an answer may still come. */
const ANSWER_TIMEOUT = 40_000

const client = createClient<paths>({
  baseUrl,
  // Orders name people, so they do not belong into the browser's cache on disk.
  fetch: (request) => fetch(request, { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_TIMEOUT) }),
})

const unauthenticated = new EventTarget()

client.use({
  onRequest({ request }) {
    const key = apiKey.get()
    if (key) request.headers.set('Authorization', `Bearer ${key}`)
  },
  onResponse({ response, schemaPath }) {
    if (response.status === 401 && schemaPath !== '/me') unauthenticated.dispatchEvent(new Event('401'))
  },
})

/** Calls `listener` when the gateway rejects the credential of a request. Returns a function that ends this. */
export function onUnauthenticated(listener: () => void): () => void {
  unauthenticated.addEventListener('401', listener)
  return () => unauthenticated.removeEventListener('401', listener)
}

export const readMe = () => answer(client.GET('/me'))

export const listOrders = (query: OrderQuery) => answer(client.GET('/orders', { params: { query } }))

export const readOrder = (id: number) => answer(client.GET('/orders/{id}', { params: { path: { id } } }))

/** Changes the status if it is still the one that `tag` stands for. */
export const changeStatus = (id: number, status: StatusInput['status'], tag: string) =>
  answer(client.PATCH('/orders/{id}/status', { params: { path: { id }, header: { 'If-Match': tag } }, body: { status } }))

/** Adds a message once, however often it is sent with the same key. */
export const addMessage = (id: number, key: string, body: MessageInput) =>
  answer(client.POST('/orders/{id}/messages', { params: { path: { id }, header: { 'Idempotency-Key': key } }, body }))

export function isProblem(failure: Failure, code: string): boolean {
  return failure.kind === 'problem' && failure.problem.code === code
}

/** Whether a write that failed may have been applied, or may still be. */
export function isInDoubt(failure: Failure): boolean {
  return failure.kind === 'no-answer' || failure.problem.outcome === 'unknown'
}

async function answer<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<Answer<T>> {
  try {
    const { data, error, response } = await call
    if (data !== undefined) return { ok: true, data, headers: response.headers }
    if (!isProblemDocument(error, response)) return { ok: false, failure: { kind: 'no-answer' } }
    const page = new URL(error.type, response.url).href
    const retryAfter = Number(response.headers.get('Retry-After')) || undefined
    return { ok: false, failure: { kind: 'problem', problem: error, page, retryAfter } }
  } catch {
    // The connection failed or broke off, or the body is not complete.
    return { ok: false, failure: { kind: 'no-answer' } }
  }
}

/** Errors of a proxy in between are no problem documents, and do not say what became of a write. */
function isProblemDocument(error: unknown, response: Response): error is Problem {
  const isProblemType = response.headers.get('Content-Type')?.startsWith('application/problem+json')
  return Boolean(isProblemType) && typeof error === 'object' && error !== null
}
