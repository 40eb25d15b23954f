import { defineConfig } from 'vite'

// The gateway that `npm run dev` sends API requests to. A proxy, so that the gateway needs no CORS settings.
const gateway = 'http://127.0.0.1:8080'
const apiPaths = ['/orders', '/me', '/problems']

export default defineConfig({
  // Relative URLs: the page works below every base path.
  base: './',
  server: { proxy: Object.fromEntries(apiPaths.map((path) => [path, gateway])) },
  build: {
    target: 'es2022',
    // The content security policy allows no `data:` URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Names without a hash: the gateway embeds these files by name, and clients revalidate them by ETag.
    rolldownOptions: {
      output: { entryFileNames: 'app.js', assetFileNames: 'app[extname]', codeSplitting: false },
    },
  },
})
