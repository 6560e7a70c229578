import { createSocket } from 'node:dgram'
import { once } from 'node:events'

/** Sends one OPTIONS over UDP and says whether any SIP response came back within the time given. */
export async function answersOptions(port: number, patienceMs = 200, host = '127.0.0.1'): Promise<boolean> {
  const socket = createSocket('udp4')
  const signal = AbortSignal.timeout(patienceMs)
  try {
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening', { signal })
    const local = `127.0.0.1:${socket.address().port}`
    const id = Math.random().toString(36).slice(2)
    const lines = [
      `OPTIONS sip:${host}:${port} SIP/2.0`,
      `Via: SIP/2.0/UDP ${local};branch=z9hG4bKprobe${id}`,
      'Max-Forwards: 70',
      `From: <sip:probe@${local}>;tag=${id}`,
      `To: <sip:${host}:${port}>`,
      `Call-ID: probe-${id}`,
      'CSeq: 1 OPTIONS',
      'Content-Length: 0',
    ]
    const answered = once(socket, 'message', { signal })
    socket.send(`${lines.join('\r\n')}\r\n\r\n`, port, host)
    const [data] = (await answered) as [Buffer]
    return data.toString('latin1').startsWith('SIP/2.0 ')
  } catch {
    return false
  } finally {
    socket.close()
  }
}
