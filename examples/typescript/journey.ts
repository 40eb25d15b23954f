// A client of the gateway in TypeScript: openapi-typescript makes types from the OpenAPI document, and openapi-fetch is `fetch`
// with these types. With `tjansteguiden-gateway demo` running:
//
//     npm ci && npm run generate && npm start
//
// GATEWAY_URL and GATEWAY_API_KEY name another gateway.

import { randomUUID } from 'node:crypto'
import createClient from 'openapi-fetch'
import type { components, paths } from './generated/gateway.d.ts'

const gateway = createClient<paths>({
  baseUrl: process.env.GATEWAY_URL ?? 'http://127.0.0.1:8080',
  headers: { Authorization: `Bearer ${process.env.GATEWAY_API_KEY ?? 'the-demo-needs-none'}` },
})

// Every error is a problem document: `code` is for programs, `detail` for people.
function fail(problem: components['schemas']['Problem']): never {
  throw new Error(`${problem.status} ${problem.code}: ${problem.detail}`)
}

// Up to four new orders, in pages of two. A further page needs the same filters, and the cursor of the page before it. The last
// page has no cursor: sent without one, the request would be for the first page again.
const filters = { since: '2016-03-14', status: ['new'], limit: 2 }
const newOrders: components['schemas']['OrderSummary'][] = []
let cursor: string | undefined
do {
  const page = await gateway.GET('/orders', { params: { query: { ...filters, cursor } } })
  if (page.error) fail(page.error)
  newOrders.push(...page.data.items)
  cursor = page.data.nextCursor
} while (cursor && newOrders.length < 4)
const [oldest] = newOrders
if (!oldest) throw new Error('there are no new orders')
console.log(`new orders: ${newOrders.map((order) => order.id).join(', ')}`)

// One order. Lists have a summary; the log and most of the customer are read with the id.
const path = { id: oldest.id }
const order = await gateway.GET('/orders/{id}', { params: { path } })
if (order.error) fail(order.error)
console.log(`order ${path.id}: ${order.data.service?.name}, ${order.data.messages.length} log entries`)

// A guarded change: it is made only if the order's status and log are still those that were read.
const guard = { path, header: { 'If-Match': order.data.statusTag } }
const changed = await gateway.PATCH('/orders/{id}/status', { params: guard, body: { status: 'received' } })
if (changed.error) fail(changed.error)
console.log(`status: ${order.data.status} -> ${changed.data.status}`)

// The change made the tag stale, as a change of somebody else would: nothing is written.
const stale = await gateway.PATCH('/orders/{id}/status', { params: guard, body: { status: 'active' } })
if (stale.error?.code !== 'precondition-failed') throw new Error('a stale tag was accepted')
console.log(`stale tag: ${stale.response.status} ${stale.error.code}, the status is ${stale.error.currentStatus}`)

// A message with a key. After any error it can be sent again with the same key: the log gets it once.
const key = { path, header: { 'Idempotency-Key': randomUUID() } }
const text = 'Kunden nås bäst efter kl. 16'
for (let attempt = 1; attempt <= 2; attempt++) {
  const added = await gateway.POST('/orders/{id}/messages', { params: key, body: { type: 'alert', text } })
  if (added.error) fail(added.error)
  const replayed = added.response.headers.has('Idempotency-Replayed')
  console.log(`message: ${added.data.text} (${replayed ? 'replayed' : 'added'})`)
}

// A key stands for one message. Another text with it is an error in the program.
const reused = await gateway.POST('/orders/{id}/messages', { params: key, body: { type: 'alert', text: 'Kunden nås inte' } })
if (!reused.error) throw new Error('a key was accepted for two messages')
console.log(`other text: ${reused.response.status} ${reused.error.code}`)

const missing = await gateway.GET('/orders/{id}', { params: { path: { id: 999_999 } } })
if (!missing.error) throw new Error('there is an order 999999')
console.log(`order 999999: ${missing.response.status} ${missing.error.code}`)

// The customer of the order. Personal data is masked or absent unless the client has the scope `personal-data:read`.
const customerId = order.data.customer?.id
if (!customerId) throw new Error('the order has no customer')
const customer = await gateway.GET('/customers/{id}', { params: { path: { id: customerId } } })
if (customer.error) fail(customer.error)
console.log(`customer ${customer.data.id}: ${customer.data.firstName} ${customer.data.lastName}`)

// What this client may do.
const me = await gateway.GET('/me')
if (me.error) fail(me.error)
console.log(`client ${me.data.client}: ${me.data.scopes.join(' ')}`)
