// Starts and stops gateway processes.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const binary = process.env.GATEWAY_BINARY
const running = new Set()

// An aborted test must not leave processes running.
process.on('exit', () => running.forEach((program) => program.kill('SIGKILL')))

/** Returns unused loopback addresses. All are bound before any is released, so that they differ. */
export async function freeAddresses(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const addresses = servers.map((server) => `127.0.0.1:${server.address().port}`)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return addresses
}

/** Starts the binary and polls `url` until `isReady` accepts the response. */
export async function start(args, settings, url, isReady) {
  // Gateway settings in the caller's environment must not affect the test.
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('GATEWAY'))
  const env = { ...Object.fromEntries(inherited), ...settings }
  const program = spawn(binary, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  program.stdout.on('data', (text) => (output += text))
  program.stderr.on('data', (text) => (output += text))
  const ended = new Promise((resolve) => program.on('error', resolve).on('exit', resolve))
  running.add(program)
  ended.then(() => running.delete(program))

  const deadline = Date.now() + 20_000
  while (!(await fetch(url, { signal: AbortSignal.timeout(1000) }).then(isReady, () => false))) {
    if (!running.has(program)) throw new Error(`${args[0]} did not start: ${await ended}\n${output}`)
    if (Date.now() > deadline) throw new Error(`${args[0]} did not become ready\n${output}`)
    await sleep(50)
  }
  return {
    async stop() {
      program.kill('SIGTERM')
      const stopped = await Promise.race([ended.then(() => true), sleep(10_000, false, { ref: false })])
      if (!stopped) throw new Error(`${args[0]} did not stop\n${output}`)
    },
  }
}

/** Runs `demo`: one process, routes at the root. */
export async function demo() {
  const [api, ops] = await freeAddresses(2)
  const args = ['demo', '--listen', api, '--ops-listen', ops]
  const program = await start(args, {}, `http://${ops}/readyz`, (response) => response.ok)
  return { origin: `http://${api}`, stop: () => program.stop() }
}

/** Runs a proxy that strips `prefix`, in front of a gateway that does not know of it. */
export async function behindStrippingProxy(prefix, key) {
  const gateway = await serve('/', key, { GATEWAY__SERVER__TRUSTED_PROXIES: '127.0.0.1' })
  const proxy = http.createServer((request, response) => {
    if (!request.url.startsWith(`${prefix}/`)) return response.writeHead(404).end()
    const headers = { ...request.headers, 'x-forwarded-prefix': prefix }
    const target = { method: request.method, headers }
    const forwarded = http.request(`${gateway.origin}${request.url.slice(prefix.length)}`, target, (answer) => {
      response.writeHead(answer.statusCode, answer.headers)
      answer.pipe(response)
    })
    forwarded.on('error', () => response.destroy())
    request.pipe(forwarded)
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  return {
    origin: `http://127.0.0.1:${proxy.address().port}`,
    stop: () => gateway.stop().finally(() => proxy.close()),
  }
}

/** Runs `serve` in front of `simulate`, with a base path and one API client that has this key. */
export async function serve(basePath, key, more = {}) {
  const [api, ops, legacy] = await freeAddresses(3)
  const url = `http://${legacy}/admin/edit/services/plain/orders`
  const settings = {
    GATEWAY__SERVER__LISTEN: api,
    GATEWAY__SERVER__OPS_LISTEN: ops,
    GATEWAY__SERVER__BASE_PATH: basePath,
    GATEWAY__SERVER__DRAIN_DELAY: '0s',
    GATEWAY__UPSTREAMS__DEFAULT__URL: url,
    GATEWAY__UPSTREAMS__DEFAULT__API_USER: '1234',
    GATEWAY__AUTH__MODE: 'api-key',
    GATEWAY__AUTH__CLIENTS__BROWSER__KEY_SHA256: createHash('sha256').update(key).digest('hex'),
    GATEWAY__AUTH__CLIENTS__BROWSER__SCOPES: 'orders:read,orders:write,customers:read,personal-data:read',
    ...more,
  }
  // The simulator has no readiness endpoint; any response shows that it listens.
  const simulator = await start(['simulate', '--listen', legacy], {}, url, () => true)
  const gateway = await start(['serve'], settings, `http://${ops}/readyz`, (response) => response.ok).catch(async (error) => {
    await simulator.stop()
    throw error
  })
  return {
    origin: `http://${api}`,
    stop: () => gateway.stop().finally(() => simulator.stop()),
  }
}
