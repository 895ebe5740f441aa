output "bucket_arn" {
  description = "For `bucket_arn` of the module above."
  value       = aws_s3_bucket.this.arn
}

output "bucket_region" {
  description = "For `bucket_region` of the module above."
  value       = aws_s3_bucket.this.region
}

output "table" {
  description = "For `<trail>` in queries."
  value       = "${aws_glue_catalog_database.this.name}.${aws_glue_catalog_table.this.name}"
}

output "workgroup" {
  description = "The workgroup of Athena; null where none was made."
  value       = one(aws_athena_workgroup.this[*].name)
}
