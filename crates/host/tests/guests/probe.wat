;; A component that does what the first letter of its variable `act` says:
;;   p  prints two lines, a report between them, and text without a line break
;;   v  prints the variable `greeting`
;;   k  writes through fermyon:spin/key-value, reads through wasi:keyvalue, prints what it read
;;   o  opens the store 601 times, or until it may not, and prints one dot for each time
;;   m  grows its memory by 32 pages (2 MiB), or traps
;;   t  prints a line, then traps
;;   l  computes for ever
;;   e  returns: ok from the timer, an error from wasi:cli/run
(component
  (import "wasi:io/error@0.2.0" (instance $io-error (export "error" (type (sub resource)))))
  (alias export $io-error "error" (type $io-error-type))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $io-error-type (type $outer-error))
    (export "error" (type $error (eq $outer-error)))
    (export "output-stream" (type $output-stream (sub resource)))
    (type $stream-error-def (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error-def)))
    (export "[method]output-stream.blocking-write-and-flush" (func
      (param "self" (borrow $output-stream)) (param "contents" (list u8))
      (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $output-stream-type))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output-stream-type (type $outer-stream))
    (export "output-stream" (type $output-stream (eq $outer-stream)))
    (export "get-stdout" (func (result (own $output-stream))))))
  (import "fermyon:spin/variables@2.0.0" (instance $variables
    (type $error-def (variant
      (case "invalid-name" string) (case "undefined" string)
      (case "provider" string) (case "other" string)))
    (export "error" (type $error (eq $error-def)))
    (export "get" (func (param "name" string) (result (result string (error $error)))))))
  (import "fermyon:spin/key-value@2.0.0" (instance $spin
    (export "store" (type $store (sub resource)))
    (type $error-def (variant
      (case "store-table-full") (case "no-such-store") (case "access-denied")
      (case "other" string)))
    (export "error" (type $error (eq $error-def)))
    (export "[static]store.open" (func
      (param "label" string) (result (result (own $store) (error $error)))))
    (export "[method]store.set" (func
      (param "self" (borrow $store)) (param "key" string) (param "value" (list u8))
      (result (result (error $error)))))))
  (import "wasi:keyvalue/store@0.2.0-draft2" (instance $wasi
    (export "bucket" (type $bucket (sub resource)))
    (type $error-def (variant
      (case "no-such-store") (case "access-denied") (case "other" string)))
    (export "error" (type $error (eq $error-def)))
    (export "open" (func
      (param "identifier" string) (result (result (own $bucket) (error $error)))))
    (export "[method]bucket.get" (func
      (param "self" (borrow $bucket)) (param "key" string)
      (result (result (option (list u8)) (error $error)))))))

  ;; Memory and an allocator that never frees, apart from the rest: lowering needs them first.
  (core module $libc
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 8192))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))

  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $write (canon lower
    (func $streams "[method]output-stream.blocking-write-and-flush")
    (memory (core memory $memory))))
  (core func $variable (canon lower
    (func $variables "get") (memory (core memory $memory)) (realloc (core func $realloc))))
  (core func $spin-open (canon lower
    (func $spin "[static]store.open") (memory (core memory $memory)) (realloc (core func $realloc))))
  (core func $spin-set (canon lower
    (func $spin "[method]store.set") (memory (core memory $memory)) (realloc (core func $realloc))))
  (core func $wasi-open (canon lower
    (func $wasi "open") (memory (core memory $memory)) (realloc (core func $realloc))))
  (core func $wasi-get (canon lower
    (func $wasi "[method]bucket.get") (memory (core memory $memory)) (realloc (core func $realloc))))

  (core module $probe
    (import "libc" "memory" (memory 1))
    (import "host" "get-stdout" (func $get-stdout (result i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))
    (import "host" "variable" (func $variable (param i32 i32 i32)))
    (import "host" "spin-open" (func $spin-open (param i32 i32 i32)))
    (import "host" "spin-set" (func $spin-set (param i32 i32 i32 i32 i32 i32)))
    (import "host" "wasi-open" (func $wasi-open (param i32 i32 i32)))
    (import "host" "wasi-get" (func $wasi-get (param i32 i32 i32 i32)))
    (data (i32.const 0) "act")
    (data (i32.const 16) "greeting")
    (data (i32.const 32) "default")
    (data (i32.const 48) "key")
    (data (i32.const 64) "value")
    (data (i32.const 80) "\n")
    (data (i32.const 96) ".")
    (data (i32.const 112) "denied")
    (data (i32.const 128) "before the trap\n")
    (data (i32.const 256) "{\"event\":\"log\"}\n{\"event\":\"run\",\"outcome\":\"ok\"}\nunfinished")

    ;; Answers of the host are written at 1024.
    (func $print (param $at i32) (param $length i32)
      (call $write (call $get-stdout) (local.get $at) (local.get $length) (i32.const 1024)))
    (func $line (param $at i32) (param $length i32)
      (call $print (local.get $at) (local.get $length))
      (call $print (i32.const 80) (i32.const 1)))
    (func $failed (result i32) (i32.load8_u (i32.const 1024)))

    ;; 1 when what was asked for is an error.
    (func $act (export "act") (result i32)
      (local $letter i32) (local $handle i32) (local $opened i32)
      (call $variable (i32.const 0) (i32.const 3) (i32.const 1024))
      (if (call $failed) (then unreachable))
      (local.set $letter (i32.load8_u (i32.load (i32.const 1028))))
      (if (i32.eq (local.get $letter) (i32.const 112)) (then ;; p
        (call $print (i32.const 256) (i32.const 57))))
      (if (i32.eq (local.get $letter) (i32.const 118)) (then ;; v
        (call $variable (i32.const 16) (i32.const 8) (i32.const 1024))
        (if (call $failed)
          (then (call $line (i32.load (i32.const 1032)) (i32.load (i32.const 1036))))
          (else (call $line (i32.load (i32.const 1028)) (i32.load (i32.const 1032)))))))
      (if (i32.eq (local.get $letter) (i32.const 107)) (then ;; k
        (call $spin-open (i32.const 32) (i32.const 7) (i32.const 1024))
        (if (call $failed)
          (then (call $line (i32.const 112) (i32.const 6)))
          (else
            (local.set $handle (i32.load (i32.const 1028)))
            (call $spin-set (local.get $handle)
              (i32.const 48) (i32.const 3) (i32.const 64) (i32.const 5) (i32.const 1024))
            (if (call $failed) (then unreachable))
            (call $wasi-open (i32.const 32) (i32.const 7) (i32.const 1024))
            (local.set $handle (i32.load (i32.const 1028)))
            (call $wasi-get (local.get $handle) (i32.const 48) (i32.const 3) (i32.const 1024))
            (if (call $failed) (then unreachable))
            (call $line (i32.load (i32.const 1032)) (i32.load (i32.const 1036)))))))
      (if (i32.eq (local.get $letter) (i32.const 111)) (then ;; o
        (block $full (loop $again
          (call $spin-open (i32.const 32) (i32.const 7) (i32.const 1024))
          (br_if $full (call $failed))
          (call $print (i32.const 96) (i32.const 1))
          (local.set $opened (i32.add (local.get $opened) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $opened) (i32.const 601)))))))
      (if (i32.eq (local.get $letter) (i32.const 109)) (then ;; m
        (if (i32.eq (memory.grow (i32.const 32)) (i32.const -1)) (then unreachable))))
      (if (i32.eq (local.get $letter) (i32.const 116)) (then ;; t
        (call $print (i32.const 128) (i32.const 16))
        unreachable))
      (if (i32.eq (local.get $letter) (i32.const 108)) (then ;; l
        (call $print (i32.const 128) (i32.const 16))
        (loop $again (br $again))))
      (i32.eq (local.get $letter) (i32.const 101))) ;; e

    (func (export "tick") (drop (call $act))))
  (core instance $probe (instantiate $probe
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "get-stdout" (func $get-stdout))
      (export "write" (func $write))
      (export "variable" (func $variable))
      (export "spin-open" (func $spin-open))
      (export "spin-set" (func $spin-set))
      (export "wasi-open" (func $wasi-open))
      (export "wasi-get" (func $wasi-get))))))

  (func (export "handle-timer-request") (canon lift (core func $probe "tick")))
  (func $run (result (result)) (canon lift (core func $probe "act")))
  (instance $run-instance (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $run-instance))
)
