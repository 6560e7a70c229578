import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import ssh2, { type SFTPWrapper } from 'ssh2'

const { STATUS_CODE } = ssh2.utils.sftp

/** A file's bytes by SFTP, or `undefined` when there is no such file. */
export async function readBySftp(sftp: SFTPWrapper, path: string): Promise<Buffer | undefined> {
  try {
    return await asked<Buffer>(done => {
      sftp.readFile(path, done)
    })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === STATUS_CODE.NO_SUCH_FILE) return undefined
    throw error
  }
}

/** Replaces a file in one step, by SFTP with OpenSSH's extensions: on the disk before it takes the name. */
export async function writeBySftp(
  sftp: SFTPWrapper,
  path: string,
  content: Buffer,
  mode: number,
): Promise<void> {
  const fresh = posix.join(posix.dirname(path), `.cw-${randomBytes(6).toString('hex')}`)
  const handle = await asked<Buffer>(done => {
    sftp.open(fresh, 'wx', 0o600, done)
  })
  try {
    await told(done => {
      // Nothing to write is not answered.
      if (content.length === 0) done()
      else sftp.write(handle, content, 0, content.length, 0, done)
    })
    await told(done => {
      sftp.fchmod(handle, mode, done)
    })
    await told(done => {
      sftp.ext_openssh_fsync(handle, done)
    })
    await told(done => {
      sftp.close(handle, done)
    })
    await told(done => {
      sftp.ext_openssh_rename(fresh, path, done)
    })
  } catch (error) {
    await told(done => {
      sftp.unlink(fresh, done)
    }).catch(() => undefined)
    throw error
  }
}

function asked<T>(request: (done: (error: Error | undefined, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    request((error, value) => {
      if (error) reject(error)
      else resolve(value)
    })
  })
}

function told(request: (done: (error?: Error | null) => void) => void): Promise<void> {
  return asked<undefined>(done => {
    request(error => {
      done(error ?? undefined, undefined)
    })
  })
}
