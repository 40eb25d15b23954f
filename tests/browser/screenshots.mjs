// Takes the screenshots of the back-office page in the documentation. `.ci/browser --write` runs it; the argument is the
// directory that they are written to.

import { openBrowser, serveBuiltPage } from './browser.mjs'
import { demo } from './gateway.mjs'

const [directory] = process.argv.slice(2)
const { origin, stop } = await demo()

async function take(name, viewport, colorScheme, show) {
  const { page, close } = await openBrowser(origin, { viewport, colorScheme, locale: 'sv-SE' })
  // The program still has the page that it was built with.
  await serveBuiltPage(page, origin)
  await show(page)
  await page.screenshot({ path: `${directory}/${name}.png` })
  await close()
}

await take('back-office', { width: 1000, height: 680 }, 'light', async (page) => {
  await page.goto(`${origin}/example/#/orders/20420`)
  const status = page.getByLabel('Ny status')
  await status.waitFor()
  const headers = { 'Content-Type': 'application/json' }
  await fetch(`${origin}/orders/20420/status`, { method: 'PATCH', headers, body: '{"status":"active"}' })
  await status.selectOption('delivered')
  await page.getByRole('button', { name: 'Ändra status' }).click()
  await page.getByText('Ordern har ändrats sedan du läste den').waitFor()
})

await take('back-office-phone', { width: 390, height: 600 }, 'dark', async (page) => {
  await page.goto(`${origin}/example/#/orders/20418`)
  await page.route('**/messages', (route) => route.abort())
  await page.getByRole('textbox', { name: 'Meddelande' }).fill('Kunden nås bäst efter kl. 16')
  await page.getByRole('button', { name: 'Skicka' }).click()
  await page.getByRole('timer').waitFor()
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight))
})

await stop()
