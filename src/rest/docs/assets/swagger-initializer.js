// Starts Swagger UI. The gateway inserts the configuration.
const config = {{config}}

const isSuccess = (_, status) => /^[23]/.test(status)
const isError = (_, status) => !isSuccess(_, status)

// The errors of an operation, folded: they are many, and most are the same for all operations.
const FoldedErrors = (Responses, { React }) => (props) => {
  const [isOpen, setOpen] = React.useState(false)
  const show = React.createElement
  const errors = props.responses.filter(isError)
  const onToggle = (event) => setOpen(event.currentTarget.open)
  return show(React.Fragment, null,
    show(Responses, { ...props, responses: props.responses.filter(isSuccess) }),
    show('details', { className: 'errors', onToggle },
      show('summary', null, `Errors: ${errors.keySeq().join(', ')}`),
      isOpen && show(Responses, { ...props, responses: errors, tryItOutResponse: null })))
}

// Known values of an open enum are offered as choices where a value is entered. The API accepts others too.
const knownValues = (...path) => (Input, { React }) => (props) => {
  const known = props.schema?.getIn?.([...path, 'x-extensible-enum'])
  return React.createElement(Input, known ? { ...props, schema: props.schema.setIn([...path, 'enum'], known) } : props)
}

const dark = matchMedia('(prefers-color-scheme: dark)')
const setTheme = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
dark.addEventListener('change', setTheme)
setTheme()

const Gateway = () => ({
  wrapComponents: { responses: FoldedErrors, JsonSchema_string: knownValues(), JsonSchema_array: knownValues('items') },
})
window.ui = SwaggerUIBundle({ ...config, plugins: [Gateway] })
