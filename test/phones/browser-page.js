// The page inside Chromium: one JsSIP phone that the test drives through `window.phone` (PhonePage in browser.ts).
// It keeps what happened as plain data, because only such data can be handed out of a page.
import JsSIP from 'jssip'

const CALL_OPTIONS = { mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } }

let agent
let session
const state = { registration: 'none', call: 'none', cause: '' }

window.phone = {
  register({ socket, uri, password, privateId }) {
    agent = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(socket)],
      uri,
      password,
      authorization_user: privateId,
      register_expires: 120,
    })
    agent.on('registered', () => (state.registration = 'registered'))
    agent.on('unregistered', () => (state.registration = 'none'))
    agent.on('registrationFailed', ({ cause }) => Object.assign(state, { registration: 'failed', cause }))
    agent.on('newRTCSession', event => follow(event.session))
    agent.start()
  },
  unregister: () => agent.unregister({ all: true }),
  call(uri) {
    state.call = 'calling'
    agent.call(uri, CALL_OPTIONS)
  },
  answer: () => session.answer(CALL_OPTIONS),
  hangUp: () => session.terminate(),
  async state() {
    return { ...state, ...(await media()) }
  },
}

function follow(created) {
  session = created
  Object.assign(state, { call: created.direction === 'incoming' ? 'incoming' : 'calling', cause: '' })
  created.on('progress', () => {
    if (created.direction === 'outgoing') state.call = 'ringing'
  })
  created.on('confirmed', () => (state.call = 'confirmed'))
  created.on('ended', ({ cause }) => Object.assign(state, { call: 'ended', cause }))
  created.on('failed', ({ cause }) => Object.assign(state, { call: 'failed', cause }))
}

async function media() {
  const counted = { remoteTrack: 'none', bytesReceived: 0, bytesSent: 0 }
  const connection = session?.connection
  if (!connection || connection.signalingState === 'closed') return counted
  counted.remoteTrack = connection.getReceivers()[0]?.track.readyState ?? 'none'
  for (const report of (await connection.getStats()).values()) {
    if (report.type === 'inbound-rtp') counted.bytesReceived += report.bytesReceived
    if (report.type === 'outbound-rtp') counted.bytesSent += report.bytesSent
  }
  return counted
}
