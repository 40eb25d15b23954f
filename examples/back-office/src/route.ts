// The address of what is shown. It is in the fragment: the server needs no routes, and Back and Reload work.

import type { OrderQuery } from './api'

export type Route = { page: 'orders'; query: OrderQuery } | { page: 'order'; id: number }

const PAGE_SIZE = 25
const DEFAULT_DAYS = 30

export function parseRoute(hash: string, timeZone: string): Route {
  const order = /^#\/orders\/([1-9]\d{0,15})$/.exec(hash)
  if (order) return { page: 'order', id: Number(order[1]) }
  const parameters = new URLSearchParams(hash.split('?')[1])
  const query: OrderQuery = { since: parameters.get('since') ?? daysAgo(DEFAULT_DAYS, timeZone), limit: PAGE_SIZE }
  const status = parameters.getAll('status')
  const type = parameters.get('type')
  const cursor = parameters.get('cursor')
  if (status.length > 0) query.status = status
  if (type) query.type = type
  if (cursor) query.cursor = cursor
  return { page: 'orders', query }
}

export function orderUrl(id: number): string {
  return `#/orders/${id}`
}

export function ordersUrl({ since, status = [], type, cursor }: OrderQuery): string {
  const parameters = new URLSearchParams({ since })
  for (const value of status) parameters.append('status', value)
  if (type) parameters.set('type', type)
  if (cursor) parameters.set('cursor', cursor)
  return `#/?${parameters}`
}

/** A date by the calendar of the upstream, which is what `since` means. */
function daysAgo(days: number, timeZone: string): string {
  return new Date(Date.now() - days * 86_400_000).toLocaleDateString('sv-SE', { timeZone })
}
