;; Base64 in lines and back, and CRC24, for armorloop.ts: the one loop for which JavaScript is too slow.
;; Memory: the tables of the CRC at 0 (16 x 256 x 4 bytes, filled by armorloop.ts), then the input, then the
;; output, at offsets that armorloop.ts chooses. Nothing here allocates memory; only `decode` branches
;; on data, which is ciphertext.
(module
  (memory (export "memory") 4)

  ;; Encodes `lines` lines of 48 bytes at `in` as 64 characters and LF each at `out`.
  ;; Reads up to 4 bytes beyond the last line.
  (func (export "encode") (param $in i32) (param $out i32) (param $lines i32)
    (local $step i32)
    (local $v v128)
    (block $done
      (loop $line
        (br_if $done (i32.eqz (local.get $lines)))
        (local.set $step (i32.const 4))
        (loop $twelve
          ;; loads 12 bytes; each 3 of them fill a lane as b1 b0 b2 b1
          (local.set $v
            (i8x16.swizzle (v128.load (local.get $in))
              (v128.const i8x16 1 0 2 1 4 3 5 4 7 6 8 7 10 9 11 10)))
          ;; moves each of the four groups of 6 bits to a byte of its own: the even ones down from the top of
          ;; their half of the lane, the odd ones up to its upper byte; the products drop the bits above
          (local.set $v
            (v128.or
              (i16x8.shr_u (i16x8.mul (local.get $v) (v128.const i16x8 1 16 1 16 1 16 1 16)) (i32.const 10))
              (v128.and
                (i16x8.mul (local.get $v) (v128.const i16x8 16 256 16 256 16 256 16 256))
                (v128.const i16x8 0x3f00 0x3f00 0x3f00 0x3f00 0x3f00 0x3f00 0x3f00 0x3f00))))
          ;; adds the offset to ASCII: row 0 for 0..25, 1 for 26..51, 2..11 for 52..61, 12 for 62, 13 for 63
          (v128.store (local.get $out)
            (i8x16.add (local.get $v)
              (i8x16.swizzle
                (v128.const i8x16 65 71 -4 -4 -4 -4 -4 -4 -4 -4 -4 -4 -19 -16 0 0)
                (i8x16.sub
                  (i8x16.sub_sat_u (local.get $v) (v128.const i8x16 51 51 51 51 51 51 51 51 51 51 51 51 51 51 51 51))
                  (i8x16.gt_s (local.get $v) (v128.const i8x16 25 25 25 25 25 25 25 25 25 25 25 25 25 25 25 25))))))
          (local.set $in (i32.add (local.get $in) (i32.const 12)))
          (local.set $out (i32.add (local.get $out) (i32.const 16)))
          (br_if $twelve (local.tee $step (i32.sub (local.get $step) (i32.const 1)))))
        (i32.store8 (local.get $out) (i32.const 10))
        (local.set $out (i32.add (local.get $out) (i32.const 1)))
        (local.set $lines (i32.sub (local.get $lines) (i32.const 1)))
        (br $line))))

  ;; Decodes up to `lines` lines at `in` to 48 bytes each at `out`, which may be the same place. Each has 64
  ;; characters and takes `stride` bytes with its end: 65 with LF, 66 with CR LF. Returns the number of lines
  ;; before the first one that has something else in it. Writes up to 4 bytes beyond the last line.
  (func (export "decode") (param $in i32) (param $out i32) (param $lines i32) (param $stride i32) (result i32)
    (local $left i32)
    (local $step i32)
    (local $at i32)
    (local $v v128)
    (local $row v128)
    (local $wrong v128)
    (local.set $left (local.get $lines))
    (block $done
      (loop $line
        (br_if $done (i32.eqz (local.get $left)))
        (local.set $at (i32.add (local.get $in) (i32.const 64)))
        (if (i32.eq (local.get $stride) (i32.const 66))
          (then
            (br_if $done (i32.ne (i32.load8_u (local.get $at)) (i32.const 13)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))))
        (br_if $done (i32.ne (i32.load8_u (local.get $at)) (i32.const 10)))
        (local.set $at (local.get $in))
        (local.set $wrong (v128.const i32x4 0 0 0 0))
        (local.set $step (i32.const 4))
        (loop $sixteen
          (local.set $v (v128.load (local.get $at)))
          ;; the row of ASCII, and what is wrong: each column has a bit for the rows in which it is no base64
          (local.set $row (i8x16.shr_u (local.get $v) (i32.const 4)))
          (local.set $wrong
            (v128.or (local.get $wrong)
              (v128.and
                (i8x16.swizzle
                  (v128.const i8x16 0x15 0x11 0x11 0x11 0x11 0x11 0x11 0x11 0x11 0x11 0x13 0x1a 0x1b 0x1b 0x1b 0x1a)
                  (v128.and (local.get $v) (v128.const i8x16 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15)))
                (i8x16.swizzle
                  (v128.const i8x16 0x10 0x10 0x01 0x02 0x04 0x08 0x04 0x08 0x10 0x10 0x10 0x10 0x10 0x10 0x10 0x10)
                  (local.get $row)))))
          ;; takes the offset to ASCII away, which the row tells; `/` is in the row of `+`, counted as row 1
          (local.set $v
            (i8x16.add (local.get $v)
              (i8x16.swizzle
                (v128.const i8x16 0 16 19 4 -65 -65 -71 -71 0 0 0 0 0 0 0 0)
                (i8x16.add (local.get $row)
                  (i8x16.eq (local.get $v) (v128.const i8x16 47 47 47 47 47 47 47 47 47 47 47 47 47 47 47 47))))))
          ;; joins two groups of 6 bits to 12 in each half of a lane, and two of these to 24 in each lane
          (local.set $v
            (v128.or
              (i16x8.shl
                (v128.and (local.get $v) (v128.const i16x8 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff))
                (i32.const 6))
              (i16x8.shr_u (local.get $v) (i32.const 8))))
          (local.set $v
            (v128.or
              (i32x4.shl
                (v128.and (local.get $v) (v128.const i32x4 0xffff 0xffff 0xffff 0xffff))
                (i32.const 12))
              (i32x4.shr_u (local.get $v) (i32.const 16))))
          ;; the three bytes of each lane, the highest first
          (v128.store (local.get $out)
            (i8x16.swizzle (local.get $v)
              (v128.const i8x16 2 1 0 6 5 4 10 9 8 14 13 12 -1 -1 -1 -1)))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (local.set $out (i32.add (local.get $out) (i32.const 12)))
          (br_if $sixteen (local.tee $step (i32.sub (local.get $step) (i32.const 1)))))
        (br_if $done (v128.any_true (local.get $wrong)))
        (local.set $in (i32.add (local.get $in) (local.get $stride)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $line)))
    (i32.sub (local.get $lines) (local.get $left)))

  ;; Continues the CRC24 `crc` over `length` bytes at `in`, a multiple of 16 and not 0. Overwrites the input.
  ;; A sum has its most significant byte in the lowest place, also in the tables, so that it can be added to
  ;; the input as it is.
  ;; First, all but the last 54 words of 16 bytes are folded into later words: the polynomial of the CRC
  ;; divides x^54 + x^45 + x^43 + x^30 + x^6 + 1, and therefore also the same sum with x^128 in place of x, so
  ;; a word may be removed if it is added to the 9th, 11th, 24th, 48th and 54th word after it. The words that
  ;; remain have the same remainder.
  ;; They then go through the tables, sixteen bytes a step: table n has the remainder of a byte that n more
  ;; bytes follow.
  (func (export "crc24") (param $crc i32) (param $in i32) (param $length i32) (result i32)
    (local $end i32)
    (local $a i32)
    (local $b i32)
    (local $c i32)
    (local $d i32)
    (local $v v128)
    (local.set $end (i32.add (local.get $in) (local.get $length)))
    (i32.store (local.get $in) (i32.xor (i32.load (local.get $in)) (local.get $crc)))
    (local.set $crc (i32.const 0))
    (block $folded
      (loop $word
        (br_if $folded (i32.ge_s (local.get $in) (i32.sub (local.get $end) (i32.const 864))))
        (local.set $v (v128.load (local.get $in)))
        (v128.store offset=144 (local.get $in) (v128.xor (local.get $v) (v128.load offset=144 (local.get $in))))
        (v128.store offset=176 (local.get $in) (v128.xor (local.get $v) (v128.load offset=176 (local.get $in))))
        (v128.store offset=384 (local.get $in) (v128.xor (local.get $v) (v128.load offset=384 (local.get $in))))
        (v128.store offset=768 (local.get $in) (v128.xor (local.get $v) (v128.load offset=768 (local.get $in))))
        (v128.store offset=864 (local.get $in) (v128.xor (local.get $v) (v128.load offset=864 (local.get $in))))
        (local.set $in (i32.add (local.get $in) (i32.const 16)))
        (br $word)))
    (block $done
      (loop $sixteen
        (br_if $done (i32.ge_u (local.get $in) (local.get $end)))
        (local.set $a (i32.xor (i32.load (local.get $in)) (local.get $crc)))
        (local.set $b (i32.load offset=4 (local.get $in)))
        (local.set $c (i32.load offset=8 (local.get $in)))
        (local.set $d (i32.load offset=12 (local.get $in)))
        (local.set $crc
          (i32.xor
            (i32.xor
              (i32.xor
                (i32.xor
                  (i32.load offset=15360 (i32.and (i32.shl (local.get $a) (i32.const 2)) (i32.const 0x3fc)))
                  (i32.load offset=14336 (i32.and (i32.shr_u (local.get $a) (i32.const 6)) (i32.const 0x3fc))))
                (i32.xor
                  (i32.load offset=13312 (i32.and (i32.shr_u (local.get $a) (i32.const 14)) (i32.const 0x3fc)))
                  (i32.load offset=12288 (i32.and (i32.shr_u (local.get $a) (i32.const 22)) (i32.const 0x3fc)))))
              (i32.xor
                (i32.xor
                  (i32.load offset=11264 (i32.and (i32.shl (local.get $b) (i32.const 2)) (i32.const 0x3fc)))
                  (i32.load offset=10240 (i32.and (i32.shr_u (local.get $b) (i32.const 6)) (i32.const 0x3fc))))
                (i32.xor
                  (i32.load offset=9216 (i32.and (i32.shr_u (local.get $b) (i32.const 14)) (i32.const 0x3fc)))
                  (i32.load offset=8192 (i32.and (i32.shr_u (local.get $b) (i32.const 22)) (i32.const 0x3fc))))))
            (i32.xor
              (i32.xor
                (i32.xor
                  (i32.load offset=7168 (i32.and (i32.shl (local.get $c) (i32.const 2)) (i32.const 0x3fc)))
                  (i32.load offset=6144 (i32.and (i32.shr_u (local.get $c) (i32.const 6)) (i32.const 0x3fc))))
                (i32.xor
                  (i32.load offset=5120 (i32.and (i32.shr_u (local.get $c) (i32.const 14)) (i32.const 0x3fc)))
                  (i32.load offset=4096 (i32.and (i32.shr_u (local.get $c) (i32.const 22)) (i32.const 0x3fc)))))
              (i32.xor
                (i32.xor
                  (i32.load offset=3072 (i32.and (i32.shl (local.get $d) (i32.const 2)) (i32.const 0x3fc)))
                  (i32.load offset=2048 (i32.and (i32.shr_u (local.get $d) (i32.const 6)) (i32.const 0x3fc))))
                (i32.xor
                  (i32.load offset=1024 (i32.and (i32.shr_u (local.get $d) (i32.const 14)) (i32.const 0x3fc)))
                  (i32.load offset=0 (i32.and (i32.shr_u (local.get $d) (i32.const 22)) (i32.const 0x3fc))))))))
        (local.set $in (i32.add (local.get $in) (i32.const 16)))
        (br $sixteen)))
    (local.get $crc)))
