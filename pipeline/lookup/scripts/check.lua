-- Asks whether Redis has all that was written before the ranges. Writes nothing; returns "" or false.
return ''
