// The reset vector of the simulated machine and a stack: all that C++ needs.
  .section .reset, "ax"
  .align 4
reset:
  j     1f
  .align 4
2:
  .word begin
1:
  l32r  a0, 2b
  jx    a0

  .section .text.begin, "ax"
  .align 4
  .literal .Lstack, stackTop
  .literal .Lmain, chipMain
  .global begin
begin:
  l32r  a1, .Lstack
  l32r  a0, .Lmain
  callx0 a0
3:
  j     3b
