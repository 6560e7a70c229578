/**
 * Melodies as test speech: a sequence of pure tones that a listener can write down again.
 *
 * A recording that holds the melody in order has carried every piece of it, whatever codec and jitter did to the
 * samples.
 */
const SAMPLE_RATE = 8000
const TONE_SECONDS = 0.4
const FRAME_SECONDS = 0.02
const WAV_HEADER_BYTES = 44

/** Pitches far enough apart for a frame of 20 ms to tell them, all inside the telephone band. */
const PITCHES_HZ = [400, 600, 800, 1000, 1200, 1400, 1600, 1800] as const

/** A WAV file (8 kHz, 16 bit, mono) that plays the melody over and over. */
export function wavOf(melody: readonly number[], repetitions: number): Buffer {
  const toneLength = SAMPLE_RATE * TONE_SECONDS
  const samples = Buffer.alloc(melody.length * toneLength * 2 * repetitions)
  for (let index = 0; index < samples.length / 2; index++) {
    const pitch = PITCHES_HZ[melody[Math.floor(index / toneLength) % melody.length] ?? 0] ?? 0
    samples.writeInt16LE(
      Math.round(12_000 * Math.sin((2 * Math.PI * pitch * index) / SAMPLE_RATE)),
      index * 2,
    )
  }
  return Buffer.concat([wavHeader(samples.length), samples])
}

/** The tones heard in a recording, in order; each is named once however long it lasts. */
export function melodyIn(wav: Buffer): number[] {
  const frameLength = SAMPLE_RATE * FRAME_SECONDS
  const heard: number[] = []
  let candidate: number | undefined
  let frames = 0
  for (let start = WAV_HEADER_BYTES; start + frameLength * 2 <= wav.length; start += frameLength * 2) {
    const tone = loudestTone(wav.subarray(start, start + frameLength * 2))
    frames = tone === candidate ? frames + 1 : 1
    candidate = tone
    // Frames that straddle two tones can be taken for a third; a real tone lasts for twenty.
    if (frames === 8 && tone !== undefined && heard.at(-1) !== tone) heard.push(tone)
  }
  return heard
}

/** Whether `heard` is a stretch of the endlessly repeated melody, at least one full round long. */
export function follows(heard: readonly number[], melody: readonly number[]): boolean {
  if (heard.length < melody.length) return false
  return melody.some((_, shift) =>
    heard.every((tone, index) => tone === melody[(index + shift) % melody.length]),
  )
}

function loudestTone(frame: Buffer): number | undefined {
  let energy = 0
  for (let at = 0; at < frame.length; at += 2) energy += frame.readInt16LE(at) ** 2
  const powers = PITCHES_HZ.map(pitch => goertzel(frame, pitch))
  const loudest = Math.max(...powers)
  // A pure tone of n samples has Goertzel power energy·n/2; half of that is clearly one tone and not noise or silence.
  const isTone = energy > 1_000_000 && loudest > (energy * (frame.length / 2)) / 4
  return isTone ? powers.indexOf(loudest) : undefined
}

/** Power of one frequency in a frame (Goertzel's recurrence). */
function goertzel(frame: Buffer, pitch: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * pitch) / SAMPLE_RATE)
  let previous = 0
  let beforeThat = 0
  for (let at = 0; at < frame.length; at += 2) {
    const value = frame.readInt16LE(at) + coefficient * previous - beforeThat
    beforeThat = previous
    previous = value
  }
  return previous ** 2 + beforeThat ** 2 - coefficient * previous * beforeThat
}

function wavHeader(dataBytes: number): Buffer {
  const header = Buffer.alloc(WAV_HEADER_BYTES)
  header.write('RIFF', 0, 'latin1')
  header.writeUInt32LE(WAV_HEADER_BYTES - 8 + dataBytes, 4)
  header.write('WAVEfmt ', 8, 'latin1')
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20) // PCM
  header.writeUInt16LE(1, 22) // one channel
  header.writeUInt32LE(SAMPLE_RATE, 24)
  header.writeUInt32LE(SAMPLE_RATE * 2, 28)
  header.writeUInt16LE(2, 32)
  header.writeUInt16LE(16, 34)
  header.write('data', 36, 'latin1')
  header.writeUInt32LE(dataBytes, 40)
  return header
}
