import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { WebSocket } from 'ws'

/** One client's way to the core: whole messages out, whole messages in. */
export interface Wire extends AsyncDisposable {
  /** Transport as it stands in a Via. */
  readonly token: 'UDP' | 'TCP' | 'WS'
  /** Address and port this end sends from. */
  readonly local: string
  send(text: string): void
  onMessage(listener: (text: string) => void): void
  onClose(listener: () => void): void
}

export async function openUdp(
  port: number,
  localPort = 0,
  localAddress = '127.0.0.1',
  server = '127.0.0.1',
): Promise<Wire> {
  const socket: UdpSocket = createSocket('udp4')
  socket.bind(localPort, localAddress)
  await once(socket, 'listening')
  return {
    token: 'UDP',
    local: `${localAddress}:${socket.address().port}`,
    send: text => {
      socket.send(Buffer.from(text, 'latin1'), port, server)
    },
    onMessage: listener => {
      socket.on('message', data => {
        listener(data.toString('latin1'))
      })
    },
    onClose: () => undefined,
    [Symbol.asyncDispose]: async () => {
      socket.close()
      await once(socket, 'close')
    },
  }
}

export async function openTcp(port: number): Promise<Wire & { readonly socket: Socket }> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  // A reset is an ending like any other; whoever cares listens to onClose. It is only seen by those who read.
  socket.on('error', () => undefined)
  socket.resume()
  return {
    token: 'TCP',
    local: `127.0.0.1:${String(socket.localPort)}`,
    socket,
    send: text => {
      socket.write(text, 'latin1')
    },
    onMessage: listener => {
      let pending = ''
      socket.on('data', data => {
        const { messages, rest } = cutMessages(pending + data.toString('latin1'))
        pending = rest
        messages.forEach(listener)
      })
    },
    onClose: listener => {
      socket.on('close', listener)
    },
    [Symbol.asyncDispose]: async () => {
      socket.destroy()
      if (!socket.closed) await once(socket, 'close')
    },
  }
}

export async function openWebSocket(port: number): Promise<Wire> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'sip')
  await once(socket, 'open')
  socket.on('error', () => undefined)
  return {
    token: 'WS',
    // RFC 7118 §5: a browser does not know its address and makes one up.
    local: `${Math.random().toString(36).slice(2)}.invalid`,
    send: text => {
      socket.send(Buffer.from(text, 'latin1').toString('utf8'))
    },
    onMessage: listener => {
      socket.on('message', (data: Buffer) => {
        listener(data.toString('latin1'))
      })
    },
    onClose: listener => {
      socket.on('close', listener)
    },
    [Symbol.asyncDispose]: async () => {
      if (socket.readyState === WebSocket.CLOSED) return
      socket.terminate()
      await once(socket, 'close')
    },
  }
}

/** Cuts a received stream into messages by their Content-Length; keep-alive line ends between them are dropped. */
export function cutMessages(stream: string): { messages: string[]; rest: string } {
  const messages: string[] = []
  let rest = stream.replace(/^(\r\n)+/, '')
  for (;;) {
    const headEnd = rest.indexOf('\r\n\r\n')
    if (headEnd < 0) return { messages, rest }
    const length = Number(/^(?:Content-Length|l)\s*:\s*(\d+)/im.exec(rest.slice(0, headEnd))?.[1] ?? 0)
    const end = headEnd + 4 + length
    if (rest.length < end) return { messages, rest }
    messages.push(rest.slice(0, end))
    rest = rest.slice(end).replace(/^(\r\n)+/, '')
  }
}
