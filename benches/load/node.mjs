// The same translation in Node with the usual libraries: fastify, undici and fast-xml-parser. Plain idiomatic code, neither
// tuned nor handicapped, because the gateway is compared with it.
//
// node node.mjs UPSTREAM PORT

import { XMLParser } from 'fast-xml-parser'
import Fastify from 'fastify'
import { Pool } from 'undici'

const [upstream, port] = process.argv.slice(2)
const pool = new Pool(upstream)
const fastify = Fastify({ logger: true })
const parser = new XMLParser({
  // Service ids, postal codes and similar values are text: leading zeros are significant.
  parseTagValue: false,
  isArray: (_name, path) => ['orders.response.order', 'order_info.logs.log', 'order_info.serviceinfo.data'].includes(path),
})

/** Calls the legacy system. */
async function call(method, parameters) {
  const { statusCode, body } = await pool.request({
    method: 'GET',
    path: '/',
    query: { method, api_user: '1234', ...parameters },
  })
  const text = await body.text()
  if (statusCode !== 200) throw new Error(`upstream status ${statusCode}`)
  const payload = parser.parse(text)[method]
  if (payload === undefined) throw new Error('unexpected upstream response')
  return payload
}

const offsets = new Map()
const zone = new Intl.DateTimeFormat('en', { timeZone: 'Europe/Stockholm', timeZoneName: 'longOffset' })

/** UTC offset of Swedish time in an hour such as `2016-03-14T09`; cached, because the lookup is slow. */
function offset(hour) {
  let known = offsets.get(hour)
  if (known === undefined) {
    // Interpreted as Swedish winter time, which is correct except in the hour that is repeated in autumn.
    const parts = zone.formatToParts(new Date(`${hour}:00:00+01:00`))
    known = parts.find(({ type }) => type === 'timeZoneName').value.slice('GMT'.length)
    offsets.set(hour, known)
  }
  return known
}

/** RFC 3339 from `2016-03-14 09:05:00` or `2016-03-14 09:05`. */
function time(text) {
  if (!/^[1-9]\d{3}-\d\d-\d\d \d\d:\d\d(:\d\d)?$/.test(text)) return undefined
  const local = text.replace(' ', 'T') + (text.length === 16 ? ':00' : '')
  return local + offset(local.slice(0, 13))
}

const isAsap = (delivery) => delivery?.toLowerCase() === 'asap'
const number = (text) => (text ? Number(text) : undefined)

function listedOrder(order) {
  return {
    id: Number(order.id),
    type: order.type,
    status: order.status,
    orderedAt: time(order.date),
    requestedDeliveryAt: time(order.delivery),
    deliverAsap: isAsap(order.delivery),
    service: { id: order.service },
    provider: { id: order.xsp },
    customer: { id: number(order.customer) },
  }
}

function order(id, { orderinfo, customer, logs, serviceinfo }) {
  return {
    id,
    type: orderinfo.type,
    status: orderinfo.status,
    orderedAt: time(orderinfo.date),
    requestedDeliveryAt: time(orderinfo.delivery),
    deliverAsap: isAsap(orderinfo.delivery),
    service: { id: orderinfo.service_id, uid: orderinfo.service_uid, name: orderinfo.service, category: orderinfo.category },
    provider: { name: orderinfo.provider },
    network: { name: orderinfo.citynet },
    customer: {
      id: number(customer.id),
      accessId: customer.socket,
      personalIdentityNumber: customer.serial,
      firstName: customer.firstname,
      lastName: customer.surname,
      email: customer.email,
      address: customer.address,
      postalCode: customer.zip,
      city: customer.city,
      phone: customer.phone,
      premise: customer.premise,
      message: customer.message,
    },
    messages: (logs.log ?? []).map(({ date, type, message }) => ({ at: time(date), type, text: message })),
    details: (serviceinfo.data ?? []).map(({ name, value, monthly }) => ({ name, value, monthlyFee: monthly })),
  }
}

fastify.get('/orders', async (request) => {
  const { response } = await call('orders', { date: request.query.since })
  return { items: (response.order ?? []).map(listedOrder) }
})

fastify.get('/orders/:id', async (request) => {
  const id = Number(request.params.id)
  return order(id, await call('order_info', { id }))
})

await fastify.listen({ host: '127.0.0.1', port: Number(port) })
