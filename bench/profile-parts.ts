// Which part of a delivery a sample of the profile belongs to, judged by its stack of functions, the
// innermost first.
//
// The kernel's work goes to what was asked of it, the rest to the innermost function of a room of src/ or of
// a package; cipher and hash functions, V8's collector and its compilers are parts of their own, whoever
// called them.

export interface Frame {
  readonly symbol: string;
  /** The file it is in: `[kernel.kallsyms]`, `/usr/bin/node`, `/tmp/perf-PID.map` for JavaScript. */
  readonly from: string;
}

/** What is there because it is looked at. */
const PROFILER = 'the profiler itself';
export const OTHER = 'not attributed';

type Rule = readonly [pattern: RegExp, part: string];

// of the symbols of the kernel: the first rule that any frame of the stack fits
const KERNEL: readonly Rule[] = [
  [/asm_exc_page_fault/, 'kernel: page faults'],
  [/asm_sysvec|asm_common_interrupt|asm_exc/, 'kernel: interrupts'],
  [/tcp_sendmsg|sock_write_iter|__sys_sendto|sock_sendmsg/, 'kernel: network, send'],
  [/tcp_recvmsg|sock_read_iter|inet_recvmsg/, 'kernel: network, receive'],
  [/sys_fsync|do_fsync/, 'kernel: fsync'],
  [/sys_rename|do_renameat/, 'kernel: rename'],
  [/sys_open|do_sys_openat|do_filp_open/, 'kernel: open, create'],
  [/sys_close|__fput|task_work_run/, 'kernel: close'],
  [/file_write_iter|buffered_write|generic_perform_write|sys_pwrite/, 'kernel: write'],
  [/epoll/, 'kernel: event loop (epoll)'],
  [/futex|eventfd/, 'kernel: threads wait and are woken'],
  [/sys_(mmap|munmap|mprotect|madvise|brk)/, 'kernel: memory'],
];

// where those do not tell, of the symbols of whoever made the call
const CALLERS: readonly Rule[] = [
  [/StreamWrap|StreamBase|uv__write|uv_try_write/, 'kernel: network, send'],
  [/uv__stream_io|uv__read/, 'kernel: network, receive'],
  [
    /AddToIncomingQueue|uv_async_send|uv__async|cond_|lll_lock|futex|sem_/,
    'kernel: threads wait and are woken',
  ],
  [/epoll/, 'kernel: event loop (epoll)'],
  [/libc_open|^open/, 'kernel: open, create'],
  [/libc_close|^close/, 'kernel: close'],
  [/^rename/, 'kernel: rename'],
  [/fsync/, 'kernel: fsync'],
];

// of the symbol of any frame outside of the kernel
const NATIVE: readonly Rule[] = [
  [
    /Scaveng|MarkCompact|Heap::(Collect|Scavenge|Perform|AllocateRawWithRetry)|ConcurrentMarking|Sweeper|YoungGeneration|MarkingVisitor|ArrayBufferSweeper|FinalizationRegistr|IncrementalMarking|GCTracer|EmbedderRoots|GlobalHandles::(Process|Invoke|PostGarbage)/,
    'V8: garbage collection',
  ],
  [
    /v8::internal::(compiler|maglev|baseline|interpreter|wasm|parsing)::|Compiler::|OptimizingCompile|BackgroundCompile|Deoptimiz|TieringManager|Builtins_CompileLazy|Builtins_InterpreterOnStackReplacement/,
    'V8: compiling',
  ],
  [/x25519|^fe_|^fe51_|^ge_|^cmov$|ecx_|X25519/, 'crypto: X25519'],
  [/sha1_/, 'crypto: SHA-1'],
  [/aesni|aes_|AES_|cfb|CRYPTO_128_wrap|CRYPTO_128_unwrap/, 'crypto: AES'],
  [/sha256|SHA256|sha512|SHA512|HKDF|kdf/, 'crypto: SHA-2 (key derivation)'],
  [/RAND_|drbg|rand_/, 'crypto: random bytes'],
  [
    /^(EVP|OSSL|OPENSSL|CRYPTO|BIO|BN|OBJ|ERR|ASN1|X509)_|^(evp|ossl|asn1|bn)_|node::crypto::/,
    'crypto: objects of OpenSSL and Node',
  ],
  [/JsonParser|JsonStringif/, 'V8: JSON'],
];

// of `room/file function` of a frame of JavaScript; the first rule that fits
const ROOMS: readonly Rule[] = [
  [/^lmtp\/replybatch|^lmtp\/\S+ (send|#sendReplies|#sayReply|say|#sayThen)$/, 'session: replies'],
  [/^lmtp\/(parser|dots)/, 'session: parser, dots'],
  [/^lmtp\/|smtp-server/, 'session: commands'],
  [/^mime\//, 'header: scan, policy, MIME frame'],
  [/^openpgp\/armor/, 'openpgp: armor'],
  [/^openpgp\/(pkesk|sessionkey)|^keys\/sessionkeys/, 'openpgp: session-key packets'],
  [/^openpgp\//, 'openpgp: packets'],
  [/^(keys|recipients)\/|^delivery\/(resolve|select)/, 'RCPT: keys and recipients'],
  [/^delivery\/reply|^core\/outcomelog/, 'replies and log lines: what they say'],
  [/^delivery\/(accept|admission)|^core\/address/, 'RCPT: address, admission'],
  [/^maildir\/space/, 'RCPT: room on the disk'],
  [/^delivery\/|^core\/|^site/, 'delivery: the spine'],
  [/^maildir\//, 'Maildir: names, staged file'],
  [/^disk\/(worker|batch |batch\.)/, 'disk thread: its JavaScript'],
  [/^disk\//, 'disk: hand-over to the thread'],
  [/^edge\/log|pino|sonic-boom|thread-stream/, 'log'],
  [/^edge\/metrics|prom-client|@opentelemetry|^server\/.*[mM]et/, 'metrics'],
  [/^(edge|server|duplicates|config)\//, 'the rest of src/'],
];

// without a stack, since libc keeps none
const LIBC: readonly Rule[] = [
  [/alloc|_int_free|cfree|unlink_chunk|^free/, 'libc: malloc, free'],
  [/printf|_IO_|itoa|strchrnul/, PROFILER],
];

// where nothing of ours is on the stack: what Node does around it
const AROUND: readonly Rule[] = [
  [
    /MessagePort|messageport|event_target|messaging|worker_threads|node:internal\/worker|node::worker::/,
    'node: messages between threads',
  ],
  [
    /node:net|node:internal\/(streams|stream_base)|StreamBase|LibuvStreamWrap|uv__stream|uv__read|uv_try_write|uv__write|TCPWrap/,
    'node: sockets',
  ],
  [/node:internal\/timers|RunTimers|uv__run_timers/, 'node: timers'],
  [/node:fs|FSReq|uv__fs|node::fs::/, 'node: file calls'],
  [/node:internal\/crypto/, 'node: crypto objects'],
  [/processTicks|RunMicrotasks|Promise|AsyncFunction|AsyncGenerator/, 'node: promises, ticks'],
  [/uv_run|uv__io_poll|epoll_pwait|uv__async|SpinEventLoop/, 'node: event loop'],
  [/PerfBasicLogger|LogEventsAndTags|Logger::/, PROFILER],
  [/PlatformWorkerThread|DefaultJobWorker|v8::platform/, 'V8: other helper threads'],
];

export function partOf(stack: readonly Frame[]): string {
  const [leaf] = stack;
  if (leaf === undefined) return OTHER;
  if (isKernel(leaf)) {
    const callers = stack.filter((frame) => !isKernel(frame));
    return first(KERNEL, stack.filter(isKernel)) ?? first(CALLERS, callers) ?? 'kernel: other calls';
  }
  for (const { symbol, from } of stack) {
    const native = from.endsWith('.map') ? undefined : match(NATIVE, symbol);
    if (native !== undefined) return native;
    const room = roomOf(symbol);
    if (room !== undefined) return match(ROOMS, room) ?? `src: ${room}`;
  }
  // what runs in JavaScript now counts before what has led to it: a promise's job may run at the end of a
  // socket's callback
  const entry = stack.findIndex(({ symbol }) => /^Builtins_JS\w*Entry$/.test(symbol));
  const inner = stack.slice(0, entry + 1);
  return first(AROUND, inner) ?? first(AROUND, stack) ?? match(LIBC, leaf.symbol) ?? OTHER;
}

/** The part of the first rule that any of the frames fits. */
function first(rules: readonly Rule[], frames: readonly Frame[]): string | undefined {
  return rules.find(([pattern]) => frames.some(({ symbol }) => pattern.test(symbol)))?.[1];
}

function isKernel({ from }: Frame): boolean {
  return from.includes('kernel') || from.includes('[k');
}

/** `room/file function` of src/, or `package function`; undefined for everything else. */
export function roomOf(symbol: string): string | undefined {
  const [, name = '', package_, file] =
    /^\w+:[*~^+]?(\S*) (?:file:\/\/)?\/\S*?(?:node_modules\/((?:@\w+\/)?[\w.-]+)|dist\/src\/(\S+?)\.js)/.exec(
      symbol,
    ) ?? [];
  if (file !== undefined) return `${file} ${name}`;
  return package_ === undefined ? undefined : `${package_} ${name}`;
}

function match(rules: readonly Rule[], text: string): string | undefined {
  return rules.find(([pattern]) => pattern.test(text))?.[1];
}
