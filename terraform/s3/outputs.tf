output "bucket" {
  description = "For `bucket` of the component."
  value       = aws_s3_bucket.this.bucket
}

output "bucket_region" {
  description = "For `bucket_region` of the component."
  value       = aws_s3_bucket.this.region
}
